"""Photos and holes as a protocol wants them: 8 bits, square, and always the same pixels."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import MaskError, MendError, PictureError
from mendpix.evaluation.photo_pairs import SPACING, Pair
from mendpix.evaluation.protocols import Kind, Protocol
from mendpix.evaluation.results import Sample
from mendpix.io import conversion
from mendpix.masks import generate, holes
from mendpix.types import Hole

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
class Prepared:
    """A picture that is ready to be filled.

    Attributes:
        truth: ``(S, S, 3)``, S the protocol's size.
        hole: ``(S, S)``, True = missing.
        remarks: what a reader of the results has to know.
    """

    shot: Sample
    truth: Pixels
    hole: Hole
    remarks: tuple[str, ...] = ()


def prepare(pair: Pair, protocol: Protocol, invert: bool = False) -> Prepared:
    """Read, resize and cut a photo, and its mask likewise or draw its hole.

    Args:
        invert: black marks what is missing in mask files.

    Raises:
        PictureError: a file that cannot be read.
        MaskError: a mask of another size than the photo's and the protocol's, or one that marks
            nothing or everything.
    """
    photo = conversion.read(pair.photo)
    pixels = as_rgb8(photo.pixels)
    side = protocol.size * protocol.shrink
    square = cut(resized(pixels, side, protocol), side)
    label, hole = _hole(pair, protocol, pixels.shape[:2], invert)
    if not hole.any() or hole.all():
        what = "everything" if hole.all() else "nothing"
        raise MaskError(f"{label} marks {what} of {pair.name}; give another mask")
    small = _shrunk(square, protocol.shrink)
    missing = _any_missing(hole, protocol.shrink)
    share = holes.ratio(hole)
    shot = Sample(
        pair.name,
        pair.label,
        label,
        share,
        _bucket(pair, protocol, hole),
        pair.source,
        pair.licence,
        file_hash(pair.photo),
        "" if pair.mask is None else file_hash(pair.mask),
        hash_of(small),
        hash_of(missing),
    )
    return Prepared(shot, small, missing, _odd(pair, pixels, share, side))


def as_rgb8(pixels: conversion.Array) -> Pixels:
    """Values ``(H, W, C)`` of any number type as 8-bit RGB; grey in all three channels.

    Raises:
        PictureError: neither one nor three channels.
    """
    if pixels.shape[2] not in (1, 3):
        raise PictureError(f"a picture of {pixels.shape[2]} channels cannot be measured; use RGB")
    if pixels.dtype != np.uint8:
        values, _ = conversion.encode(pixels, np.zeros(pixels.shape[:2], np.bool_))
        pixels = np.rint(values * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def resized(pixels: Pixels, side: int, protocol: Protocol) -> Pixels:
    """The picture with a short side of ``side`` pixels."""
    height, width = _target(pixels.shape[0], pixels.shape[1], side)
    if (height, width) == pixels.shape[:2]:
        return pixels
    kernel = FILTERS[protocol.kernel]
    return np.asarray(Image.fromarray(pixels).resize((width, height), kernel))


def _target(height: int, width: int, side: int) -> tuple[int, int]:
    short = min(height, width)
    return round(height * side / short), round(width * side / short)


def cut(array: NDArray[Scalar], side: int) -> NDArray[Scalar]:
    """The square in the middle; of an odd rest, the larger part goes at the right and bottom."""
    top, left = (array.shape[0] - side) // 2, (array.shape[1] - side) // 2
    return array[top : top + side, left : left + side].copy()


def _shrunk(pixels: Pixels, by: int) -> Pixels:
    """Means of squares of ``by`` pixels, rounded half up."""
    if by == 1:
        return pixels
    side = pixels.shape[0] // by
    sums = pixels.reshape(side, by, side, by, 3).sum((1, 3), dtype=np.uint32)
    means = (2 * sums + by * by) // (2 * by * by)
    return np.asarray(means, np.uint8)


def _any_missing(hole: Hole, by: int) -> Hole:
    side = hole.shape[0] // by
    return np.ascontiguousarray(hole.reshape(side, by, side, by).any((1, 3)))


def _hole(pair: Pair, protocol: Protocol, shape: tuple[int, ...], invert: bool) -> tuple[str, Hole]:
    """What the hole is called, and the hole before it is shrunk."""
    if pair.mask is None:
        return draw(protocol, pair.place, pair.kind)
    return pair.mask_label, _from_file(pair, protocol, (shape[0], shape[1]), invert)


def _from_file(pair: Pair, protocol: Protocol, shape: tuple[int, int], invert: bool) -> Hole:
    """A mask of the photo's size goes the photo's way, with the nearest pixel."""
    assert pair.mask is not None
    side = protocol.size * protocol.shrink
    mask = conversion.read(pair.mask)
    hole = holes.marked(mask) ^ invert
    if hole.shape == (side, side) or hole.shape == shape:
        height, width = _target(hole.shape[0], hole.shape[1], side)
        levels = hole.astype(np.uint8)
        fitted = cv2.resize(levels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        return cut(np.asarray(fitted > 0), side)
    raise MaskError(
        f"{pair.mask} is {hole.shape[1]}x{hole.shape[0]} but must be {shape[1]}x{shape[0]} like "
        f"{pair.label}, or {side}x{side} as the protocol measures"
    )


def draw(protocol: Protocol, place: int, kind: str = "") -> tuple[str, Hole]:
    """The hole of the photo at a place: ``(side, side)`` before it is shrunk, and its name.

    The kinds come in turn, beginning at the place's own; each attempt that does not meet what the
    protocol asks for goes on to the next.

    Raises:
        MaskError: no attempt met it.
    """
    side = protocol.size * protocol.shrink
    kinds = [one for one in protocol.kinds if kind in ("", one.label)]
    for attempt in range(SPACING):
        one = kinds[(place + attempt) % len(kinds)]
        index = place * SPACING + attempt
        hole = generate.draw(one.generator, side, protocol.seed, index, one.options)
        hole = _framed(hole, protocol, place)
        if _meets(hole, protocol, place):
            return f"drawn: {one.label}, seed {protocol.seed}, index {index}", hole
    wanted = holes.BUCKETS[place % len(holes.BUCKETS)]
    raise MaskError(f"none of {SPACING} holes of {_labels(kinds)} covered {wanted} of the picture")


def _labels(kinds: list[Kind]) -> str:
    return ", ".join(kind.label for kind in kinds)


def _inside(protocol: Protocol, place: int) -> bool:
    """Whether the photo at this place gets a hole that keeps away from the border."""
    return protocol.meet == "border" and place // len(holes.BUCKETS) % 2 == 1


def _framed(hole: Hole, protocol: Protocol, place: int) -> Hole:
    if not _inside(protocol, place):
        return hole
    frame = round(protocol.frame * hole.shape[0])
    kept = np.zeros_like(hole)
    kept[frame:-frame, frame:-frame] = hole[frame:-frame, frame:-frame]
    return kept


def _meets(hole: Hole, protocol: Protocol, place: int) -> bool:
    if not protocol.meet:
        return True
    low, high = holes.BUCKETS[place % len(holes.BUCKETS)]
    if not low < holes.ratio(hole) <= high:
        return False
    return protocol.meet == "bucket" or touches_border(hole) != _inside(protocol, place)


def touches_border(hole: Hole) -> bool:
    """Whether any pixel at the picture's very border is missing."""
    return bool(hole[[0, -1]].any() or hole[:, [0, -1]].any())


def _bucket(pair: Pair, protocol: Protocol, hole: Hole) -> str:
    share = holes.ratio(hole)
    if protocol.buckets == "":
        return ""
    if protocol.buckets == "kind" and pair.kind:
        return pair.kind
    if protocol.buckets in ("tenths", "kind"):
        tenth = min(int(share * 10), 9)
        return f"[{tenth / 10:g},{(tenth + 1) / 10:g}{']' if tenth == 9 else ')'}"
    found = holes.bucket(share) or ""
    if not protocol.borders or not found:
        return found
    return f"{found} {'border' if touches_border(hole) else 'no border'}"


def _odd(pair: Pair, pixels: Pixels, share: float, side: int) -> tuple[str, ...]:
    """What is worth a remark, one line each."""
    found = []
    if min(pixels.shape[:2]) < side:
        found.append(f"{pair.name}: enlarged, its short side has {min(pixels.shape[:2])} pixels")
    if pair.mask is not None and share > holes.INVERTED:
        found.append(f"{pair.name}: its mask marks {100 * share:.0f} %; probably inverted")
    for what, path, said in (
        ("photo", pair.photo, pair.photo_sha256),
        ("mask", pair.mask, pair.mask_sha256),
    ):
        if path is not None and said and file_hash(path) != said:
            found.append(f"{pair.name}: its {what} is another file than the manifest's")
    return tuple(found)


def hash_of(array: Pixels | Hole) -> str:
    """The sha256, in hex, of an array's shape and values."""
    values = np.ascontiguousarray(array)
    whole = hashlib.sha256(f"{values.dtype} {list(values.shape)}\n".encode())
    whole.update(values.data)
    return whole.hexdigest()


def file_hash(path: Path) -> str:
    """The sha256, in hex, of a file.

    Raises:
        MendError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise MendError(f"{path} cannot be read: {problem.strerror}") from None
