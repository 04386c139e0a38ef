"""Specks, hairs and scratches of old scans, found without a network.

A defect is thinner than its surroundings are wide: a top-hat (Serra 1982) takes out of the picture
what is brighter, and a bottom-hat what is darker, than all that a disk of a given radius fits into;
hairs and scratches are what remains along a line. Which parts of this are defects, and which are
the picture's own, is classified by what each measures (`mendpix.masks.defect_classifier`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MendError
from mendpix.io.picture import Picture, to_8_bits
from mendpix.masks.defect_classifier import (
    LINES,
    MEASURES,
    SPECKS,
    CandidateParts,
    DefectKind,
    PicturePlanes,
    measure,
)
from mendpix.types import Hole, Progress, sub_range

Plane = NDArray[np.float32]

DIRECTIONS = 12
"""Of the lines along which hairs and scratches are looked for, over half a turn."""


@dataclass(frozen=True, slots=True)
class ScratchSettings:
    """Levels are of 255, lengths in pixels.

    Attributes:
        radius: of the disk that no defect may hold, at each size of the picture.
        line: length of the straight pieces that hairs and scratches are made of.
        around: side of the square with which a defect is compared.
        quiet: levels that noise is taken to add.
        weakest: the share of what a part must reach that its rest must reach.
        rim: the share of what it does reach that its rest must reach.
        surest, laxest: the log of the odds that a defect must have at sensitivity 0 and at 1.
    """

    radius: int = 3
    line: int = 17
    around: int = 41
    quiet: float = 1.5
    weakest: float = 0.5
    rim: float = 0.3
    surest: float = 3.5
    laxest: float = -2.0


SETTINGS = ScratchSettings()


def find(
    picture: Picture,
    sensitivity: float = 0.5,
    settings: ScratchSettings = SETTINGS,
    *,
    only: Literal["", "specks", "lines"] = "",
    progress: Progress | None = None,
) -> Hole:
    """Where a scan shows specks, hairs and scratches: ``(H, W)``, True = defect.

    Args:
        sensitivity: 0 finds only what stands out, 1 also what may be texture.
        only: "specks" or "lines" (hairs and scratches) alone.
        progress: called with the share done; may raise ``Cancelled``.

    Raises:
        MendError: a sensitivity outside [0, 1].
    """
    if not 0 <= sensitivity <= 1:
        raise MendError(f"sensitivity is {sensitivity:g} but must lie in 0 to 1")
    grey = to_grey(picture)
    height, width = grey.shape
    defects = np.zeros((height, width), np.uint8)
    least = settings.surest + (settings.laxest - settings.surest) * sensitivity
    sizes = _count_sizes(height, width)
    costs = [4.0**-level for level in range(sizes)]
    for level in range(sizes):
        part = sub_range(progress, sum(costs[:level]) / sum(costs), costs[level] / sum(costs))
        small = grey if level == 0 else _shrink(grey, level)
        marks = _detect(small, least, settings, only, part).astype(np.uint8)
        size = (width, height)
        defects |= (
            cv2.resize(marks, size, interpolation=cv2.INTER_NEAREST_EXACT) if level else marks
        )
    if picture.alpha is not None:
        defects[picture.alpha == 0] = 0
    return defects > 0


def to_grey(picture: Picture) -> NDArray[np.uint8]:
    """Brightness in 8 bits: coarse, but defects are not subtle, and this is many times faster."""
    pixels = to_8_bits(picture.pixels)
    if pixels.shape[2] < 3:
        return np.ascontiguousarray(pixels[..., 0])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_RGB2GRAY))


def _count_sizes(height: int, width: int) -> int:
    """At how many sizes to look: large scans show the same dust with more pixels."""
    return 1 + sum(height * width > limit for limit in (500_000, 4_000_000, 30_000_000))


def _shrink(grey: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
    size = (-(-grey.shape[1] >> level), -(-grey.shape[0] >> level))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))


def _detect(
    grey: NDArray[np.uint8],
    least: float,
    settings: ScratchSettings,
    only: str,
    progress: Progress | None,
) -> Hole:
    """Defects of one size whose odds are high enough, and a pixel around each for its soft rim."""
    defects = np.zeros(grey.shape, np.uint8)
    rounds = 2 * (len(SPECKS.ladder) + len(LINES.ladder))
    for number, (kind, parts) in enumerate(find_candidates(grey, settings), 1):
        if progress is not None:
            progress(number / rounds)
        good = kind.log_odds(parts.measured) >= least
        if only:
            long = parts.measured[:, MEASURES.index("length")] >= np.log(LINES.longest)
            good &= long if only == "lines" else ~long
        keep = np.concatenate([[False], good])[parts.labels[parts.places]]
        strong = parts.strength >= settings.rim * parts.peak[parts.labels[parts.places] - 1]
        defects.ravel()[parts.places[keep & strong]] = 1
    return np.asarray(cv2.dilate(defects, np.ones((3, 3), np.uint8)) > 0)


def _make_disk(radius: int) -> NDArray[np.uint8]:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _average_residue(residue: NDArray[np.uint8], settings: ScratchSettings) -> Plane:
    """What remains on average around each pixel, and noise at least, in levels.

    Grass or a brick wall leaves much everywhere, dust only here and there.
    """
    around = (settings.around, settings.around)
    mean = cv2.boxFilter(residue, cv2.CV_32F, around, borderType=cv2.BORDER_REFLECT)
    return np.asarray(mean + np.float32(settings.quiet))


def _open_along_lines(residue: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """What remains along the best of several directions: the smallest value on a whole line."""
    best = np.zeros_like(residue)
    thick = cv2.dilate(residue, np.ones((3, 3), np.uint8))  # lines need not be quite straight
    for step in range(DIRECTIONS):
        kernel = _make_line(length, np.pi * step / DIRECTIONS)
        best = np.maximum(best, cv2.morphologyEx(thick, cv2.MORPH_OPEN, kernel))
    return np.minimum(best, residue)


def _make_line(length: int, angle: float) -> NDArray[np.uint8]:
    """A straight line of one pixel's width through the middle of a square."""
    kernel = np.zeros((length, length), np.uint8)
    half = (length - 1) / 2
    ends = [
        (round(half - sign * half * np.cos(angle)), round(half - sign * half * np.sin(angle)))
        for sign in (1, -1)
    ]
    cv2.line(kernel, ends[0], ends[1], 1)
    return kernel


def find_candidates(
    grey: NDArray[np.uint8], settings: ScratchSettings = SETTINGS
) -> Iterator[tuple[DefectKind, CandidateParts]]:
    """All that stands out at one size of a picture: bright and dark specks, then lines."""
    # a Scharr kernel answers a slope of one level per pixel with 32
    steep = cv2.magnitude(*(cv2.Scharr(grey, cv2.CV_32F, *axis) / 32 for axis in ((1, 0), (0, 1))))
    operations = (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    residue = [
        cv2.morphologyEx(grey, operation, _make_disk(settings.radius)) for operation in operations
    ]
    usual = [_average_residue(one, settings) for one in residue]
    crowds = [_share_standing_out(one, mean) for one, mean in zip(residue, usual, strict=True)]
    crowd = crowds[0] + crowds[1]
    steepest = float(np.percentile(steep[::2, ::2], 97))
    for bright in (True, False):
        own, mean, other = residue[not bright], usual[not bright], residue[bright]
        most = float(np.percentile(own[::2, ::2], 99))
        planes = PicturePlanes(grey, own, other, mean, crowd, steep, steepest, most, bright)
        for kind, values in ((SPECKS, own), (LINES, _open_along_lines(own, settings.line))):
            strength = np.divide(values, mean, dtype=np.float32)
            for least in kind.ladder:
                yield kind, _label_parts(strength, least, kind, planes, settings)


def _share_standing_out(residue: NDArray[np.uint8], usual: Plane) -> Plane:
    """The share of the surroundings that stands out."""
    busy = (residue > 2.5 * usual).astype(np.float32)
    return np.asarray(cv2.boxFilter(busy, -1, (61, 61), borderType=cv2.BORDER_REFLECT))


def _label_parts(
    strength: Plane,
    least: float,
    kind: DefectKind,
    planes: PicturePlanes,
    settings: ScratchSettings,
) -> CandidateParts:
    """Parts whose strongest pixel reaches ``least``, as far as they reach a share of that."""
    weak = (strength >= least * settings.weakest).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    keep = np.zeros(count, bool)
    keep[labels[strength >= least]] = True
    keep[0] = False
    if kind.most:
        keep &= boxes[:, cv2.CC_STAT_AREA] <= kind.most
        start, size = boxes[:, :2], boxes[:, 2:4]
        whole = (start > 0) & (start + size < weak.shape[::-1])  # else half of it is not seen
        keep &= whole.all(axis=1)
    sides = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    if kind.longest:
        keep &= sides >= kind.longest
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    labels = numbers[labels]
    places = np.flatnonzero(labels != 0)
    reached = np.asarray(strength.ravel()[places], np.float32)
    peak = np.zeros(int(keep.sum()), np.float32)
    np.maximum.at(peak, labels.ravel()[places] - 1, reached)
    measured = measure(labels, peak, sides[keep], planes)
    return CandidateParts(labels.ravel(), places, reached, peak, measured)
