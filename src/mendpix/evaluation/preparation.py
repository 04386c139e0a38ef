"""Preprocessing under a protocol: photos and holes become 8-bit squares, reproducibly."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import MaskError, MendError, PictureError
from mendpix.evaluation.photo_pairs import SPACING, PhotoPair
from mendpix.evaluation.protocols import EvaluationProtocol, HoleKind
from mendpix.evaluation.results import Sample
from mendpix.io import files
from mendpix.io.conversion import as_rgb8
from mendpix.masks import generate, holes, reading
from mendpix.types import Hole
from mendpix.weights import download

Pixels = NDArray[np.uint8]
Scalar = TypeVar("Scalar", bound=np.generic)

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSample:
    """A photo and its hole, ready to be filled.

    Attributes:
        truth: ``(S, S, 3)``, S the protocol's size.
        hole: ``(S, S)``, True = missing.
        remarks: what a reader of the results has to know.
    """

    sample: Sample
    truth: Pixels
    hole: Hole
    remarks: tuple[str, ...] = ()


def prepare(pair: PhotoPair, protocol: EvaluationProtocol, invert: bool = False) -> PreparedSample:
    """Read, resize and cut a photo, and its mask likewise or draw its hole.

    Args:
        invert: black marks what is missing in mask files.

    Raises:
        PictureError: as for :func:`read_truth`.
        MaskError: a mask of another size than the photo's and the protocol's, or one that marks
            nothing or everything.
    """
    pixels = read_truth(pair.photo)
    side = protocol.size * protocol.shrink
    square = crop_centre(resize_short_side(pixels, side, protocol), side)
    label, hole = _make_hole(pair, protocol, pixels.shape[:2], invert)
    if not hole.any() or hole.all():
        what = "everything" if hole.all() else "nothing"
        raise MaskError(f"{label} marks {what} of {pair.name}; give another mask")
    small = _downscale(square, protocol.shrink)
    missing = _downscale_hole(hole, protocol.shrink)
    share = holes.ratio(hole)
    sample = Sample(
        pair.name,
        pair.label,
        label,
        share,
        _label_bucket(pair, protocol, hole),
        pair.source,
        pair.licence,
        hash_file(pair.photo),
        "" if pair.mask is None else hash_file(pair.mask),
        hash_pixels(small),
        hash_pixels(missing),
    )
    return PreparedSample(sample, small, missing, _list_remarks(pair, pixels, share, side))


def read_truth(path: Path) -> Pixels:
    """A photo ``(H, W, 3)`` uint8 to measure fills against.

    Raises:
        PictureError: a file that cannot be read, or with pixels that are fully transparent: what
            lies under them is no truth.
    """
    photo = files.read(path)
    if photo.alpha is not None and not photo.alpha.all():
        share = 100 * np.count_nonzero(photo.alpha == 0) / photo.alpha.size
        raise PictureError(
            f"{path} is transparent in {share:.2g} % of its pixels, which hold no truth to measure "
            "against; cut the opaque part out, or leave the file out"
        )
    return as_rgb8(photo.pixels)


def resize_short_side(pixels: Pixels, side: int, protocol: EvaluationProtocol) -> Pixels:
    """The picture with a short side of ``side`` pixels."""
    height, width = _resized_shape(pixels.shape[0], pixels.shape[1], side)
    if (height, width) == pixels.shape[:2]:
        return pixels
    kernel = FILTERS[protocol.kernel]
    return np.asarray(Image.fromarray(pixels).resize((width, height), kernel))


def _resized_shape(height: int, width: int, side: int) -> tuple[int, int]:
    short = min(height, width)
    return round(height * side / short), round(width * side / short)


def crop_centre(array: NDArray[Scalar], side: int) -> NDArray[Scalar]:
    """Centre crop; of an odd margin, the larger part goes at the right and bottom."""
    top, left = (array.shape[0] - side) // 2, (array.shape[1] - side) // 2
    return array[top : top + side, left : left + side].copy()


def _downscale(pixels: Pixels, by: int) -> Pixels:
    """Area downscaling by a whole factor: means of squares, rounded half up."""
    if by == 1:
        return pixels
    side = pixels.shape[0] // by
    sums = pixels.reshape(side, by, side, by, 3).sum((1, 3), dtype=np.uint32)
    # floor(sum / n + 1/2) in whole numbers, so that no platform rounds otherwise
    means = (2 * sums + by * by) // (2 * by * by)
    return np.asarray(means, np.uint8)


def _downscale_hole(hole: Hole, by: int) -> Hole:
    side = hole.shape[0] // by
    return np.ascontiguousarray(hole.reshape(side, by, side, by).any((1, 3)))


def _make_hole(
    pair: PhotoPair, protocol: EvaluationProtocol, shape: tuple[int, ...], invert: bool
) -> tuple[str, Hole]:
    """The hole's label, and the hole before it is downscaled."""
    if pair.mask is None:
        return draw_hole(protocol, pair.place, pair.kind)
    return pair.mask_label, _read_hole(pair, protocol, (shape[0], shape[1]), invert)


def _read_hole(
    pair: PhotoPair, protocol: EvaluationProtocol, shape: tuple[int, int], invert: bool
) -> Hole:
    """A mask of the photo's size goes the photo's way, with the nearest pixel."""
    assert pair.mask is not None
    side = protocol.size * protocol.shrink
    mask = files.read(pair.mask)
    hole = reading.mark(mask) ^ invert
    if hole.shape == (side, side) or hole.shape == shape:
        height, width = _resized_shape(hole.shape[0], hole.shape[1], side)
        levels = hole.astype(np.uint8)
        fitted = cv2.resize(levels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        return crop_centre(np.asarray(fitted > 0), side)
    raise MaskError(
        f"{pair.mask} is {hole.shape[1]}x{hole.shape[0]} but must be {shape[1]}x{shape[0]} like "
        f"{pair.label}, or {side}x{side} as the protocol measures"
    )


def draw_hole(protocol: EvaluationProtocol, place: int, label: str = "") -> tuple[str, Hole]:
    """The hole of the photo at a place: ``(side, side)`` before it is shrunk, and its name.

    The kinds come in turn, beginning at the place's own; each attempt that does not meet what the
    protocol asks for goes on to the next.

    Raises:
        MaskError: no attempt met it.
    """
    side = protocol.size * protocol.shrink
    kinds = [kind for kind in protocol.kinds if label in ("", kind.label)]
    for attempt in range(SPACING):
        kind = kinds[(place + attempt) % len(kinds)]
        index = place * SPACING + attempt
        hole = generate.draw(kind.generator, side, protocol.seed, index, kind.options)
        hole = _clear_border(hole, protocol, place)
        if _meets_request(hole, protocol, place):
            return f"drawn: {kind.label}, seed {protocol.seed}, index {index}", hole
    wanted = holes.BUCKETS[place % len(holes.BUCKETS)]
    raise MaskError(f"none of {SPACING} holes of {_labels(kinds)} covered {wanted} of the picture")


def _labels(kinds: list[HoleKind]) -> str:
    return ", ".join(kind.label for kind in kinds)


def _avoids_border(protocol: EvaluationProtocol, place: int) -> bool:
    """Whether the photo at this place gets a hole that keeps away from the border."""
    return protocol.meet == "border" and place // len(holes.BUCKETS) % 2 == 1


def _clear_border(hole: Hole, protocol: EvaluationProtocol, place: int) -> Hole:
    if not _avoids_border(protocol, place):
        return hole
    frame = round(protocol.frame * hole.shape[0])
    inner = np.zeros_like(hole)
    inner[frame:-frame, frame:-frame] = hole[frame:-frame, frame:-frame]
    return inner


def _meets_request(hole: Hole, protocol: EvaluationProtocol, place: int) -> bool:
    if not protocol.meet:
        return True
    low, high = holes.BUCKETS[place % len(holes.BUCKETS)]
    if not low < holes.ratio(hole) <= high:
        return False
    return protocol.meet == "bucket" or touches_border(hole) != _avoids_border(protocol, place)


def touches_border(hole: Hole) -> bool:
    """Whether any pixel at the picture's very border is missing."""
    return bool(hole[[0, -1]].any() or hole[:, [0, -1]].any())


def _label_bucket(pair: PhotoPair, protocol: EvaluationProtocol, hole: Hole) -> str:
    share = holes.ratio(hole)
    if protocol.buckets == "":
        return ""
    if protocol.buckets == "kind" and pair.kind:
        return pair.kind
    if protocol.buckets in ("tenths", "kind"):
        tenth = min(int(share * 10), 9)
        return f"[{tenth / 10:g},{(tenth + 1) / 10:g}{']' if tenth == 9 else ')'}"
    sixth = holes.bucket(share) or ""
    if not protocol.borders or not sixth:
        return sixth
    return f"{sixth} {'border' if touches_border(hole) else 'no border'}"


def _list_remarks(pair: PhotoPair, pixels: Pixels, share: float, side: int) -> tuple[str, ...]:
    """What a reader of the results has to know of this picture, one line each."""
    remarks = []
    if min(pixels.shape[:2]) < side:
        remarks.append(f"{pair.name}: enlarged, its short side has {min(pixels.shape[:2])} pixels")
    if pair.mask is not None and share > reading.INVERTED:
        remarks.append(f"{pair.name}: its mask marks {100 * share:.0f} %; probably inverted")
    for what, path, expected in (
        ("photo", pair.photo, pair.photo_sha256),
        ("mask", pair.mask, pair.mask_sha256),
    ):
        if path is not None and expected and hash_file(path) != expected:
            remarks.append(f"{pair.name}: its {what} is another file than the manifest's")
    return tuple(remarks)


def hash_pixels(array: Pixels | Hole) -> str:
    """The sha256, in hex, of an array's shape and values."""
    values = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{values.dtype} {list(values.shape)}\n".encode())
    digest.update(values.data)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """The sha256, in hex, of a file.

    Raises:
        MendError: it cannot be read.
    """
    try:
        return download.hash_file(path)
    except OSError as problem:
        raise MendError(f"{path} cannot be read: {problem.strerror}") from None
