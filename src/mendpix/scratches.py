"""Specks, hairs and scratches of old scans, found without a network.

A defect is thinner than its surroundings are wide: a top-hat (Serra 1982) takes out of the picture
what is brighter, and a bottom-hat what is darker, than all that a disk of a given radius fits into.
What remains of texture is told apart by comparing it with what remains nearby, and, for hairs and
scratches, by asking that it goes on along a line.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MendError
from mendpix.metadata import viewable
from mendpix.picture import Picture

Hole = NDArray[np.bool_]
Plane = NDArray[np.float32]

DIRECTIONS = 12
"""Of the lines along which hairs and scratches are looked for, over half a turn."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What counts as a defect, in levels of 255 and pixels.

    Attributes:
        radius: of the disk that no defect may hold, at each size of the picture.
        line: length of the straight pieces that hairs and scratches are made of.
        around: side of the square with which a defect is compared.
        quiet: levels that noise is taken to add.
        bluntest, sharpest: how many times what remains nearby a speck must reach, at sensitivity
            0 and 1.
        line_bluntest, line_sharpest: the same of lines, which add up more pixels.
        weakest: the share of that which the rest of a defect must reach.
        largest: area of the largest speck, in pixels of the size at which it is found.
        shortest: length of the shortest line.
    """

    radius: int = 3
    line: int = 17
    around: int = 41
    quiet: float = 1.5
    bluntest: float = 20.0
    sharpest: float = 6.0
    line_bluntest: float = 10.0
    line_sharpest: float = 3.0
    weakest: float = 0.5
    largest: int = 200
    shortest: int = 20


SETTINGS = Settings()


def find(picture: Picture, sensitivity: float = 0.5, settings: Settings = SETTINGS) -> Hole:
    """Where a scan shows specks, hairs and scratches: ``(H, W)``, True = defect.

    Args:
        sensitivity: 0 finds only what stands out, 1 also what may be texture.

    Raises:
        MendError: a sensitivity outside [0, 1].
    """
    if not 0 <= sensitivity <= 1:
        raise MendError(f"sensitivity is {sensitivity:g} but must lie in 0 to 1")
    grey = _grey(picture)
    height, width = grey.shape
    found = np.zeros((height, width), np.uint8)
    for level in range(_levels(height, width)):
        small = grey if level == 0 else _halved(grey, level)
        marks = _found(small, sensitivity, settings).astype(np.uint8)
        size = (width, height)
        found |= cv2.resize(marks, size, interpolation=cv2.INTER_NEAREST_EXACT) if level else marks
    if picture.alpha is not None:
        found[picture.alpha == 0] = 0
    return found > 0


def _grey(picture: Picture) -> NDArray[np.uint8]:
    """Brightness in 8 bits: coarse, but defects are not subtle, and this is many times faster."""
    shown = viewable(picture.pixels)
    if shown.shape[2] < 3:
        return np.ascontiguousarray(shown[..., 0])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(shown[..., :3]), cv2.COLOR_RGB2GRAY))


def _levels(height: int, width: int) -> int:
    """At how many sizes to look: large scans show the same dust with more pixels."""
    return 1 + sum(height * width > limit for limit in (500_000, 4_000_000, 30_000_000))


def _halved(grey: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
    size = (-(-grey.shape[1] >> level), -(-grey.shape[0] >> level))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))


def _found(grey: NDArray[np.uint8], sensitivity: float, settings: Settings) -> Hole:
    """Defects of one size, bright and dark ones."""
    found = np.zeros(grey.shape, bool)
    speck = _between(settings.bluntest, settings.sharpest, sensitivity)
    line = _between(settings.line_bluntest, settings.line_sharpest, sensitivity)
    for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        left = cv2.morphologyEx(grey, kind, _disk(settings.radius))
        usual = _usual(left, settings)
        along = _along(left, settings.line)
        found |= _specks(np.divide(left, usual, dtype=np.float32), speck, settings)
        found |= _lines(np.divide(along, usual, dtype=np.float32), line, settings)
    return found


def _between(low: float, high: float, share: float) -> float:
    """From ``low`` to ``high`` in equal ratios."""
    return float(low * (high / low) ** share)


def _disk(radius: int) -> NDArray[np.uint8]:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _usual(left: NDArray[np.uint8], settings: Settings) -> Plane:
    """What remains on average around each pixel, and noise at least, in levels.

    Grass or a brick wall leaves much everywhere, dust only here and there.
    """
    around = (settings.around, settings.around)
    mean = cv2.boxFilter(left, cv2.CV_32F, around, borderType=cv2.BORDER_REFLECT)
    return np.asarray(mean + np.float32(settings.quiet))


def _along(left: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """What remains along the best of several directions: the smallest value on a whole line."""
    best = np.zeros_like(left)
    thick = cv2.dilate(left, np.ones((3, 3), np.uint8))  # lines need not be quite straight
    for step in range(DIRECTIONS):
        kernel = _line(length, np.pi * step / DIRECTIONS)
        best = np.maximum(best, cv2.morphologyEx(thick, cv2.MORPH_OPEN, kernel))
    return np.minimum(best, left)


def _line(length: int, angle: float) -> NDArray[np.uint8]:
    """A straight line of one pixel's width through the middle of a square."""
    kernel = np.zeros((length, length), np.uint8)
    half = (length - 1) / 2
    ends = [
        (round(half - sign * half * np.cos(angle)), round(half - sign * half * np.sin(angle)))
        for sign in (1, -1)
    ]
    cv2.line(kernel, ends[0], ends[1], 1)
    return kernel


def _specks(strength: Plane, least: float, settings: Settings) -> Hole:
    """Small parts that stand out, with their weaker rims."""
    return _grown(strength, least, settings.weakest, most=settings.largest)


def _lines(strength: Plane, least: float, settings: Settings) -> Hole:
    """Long parts."""
    return _grown(strength, least, settings.weakest, longest=settings.shortest)


def _grown(strength: Plane, least: float, weakest: float, most: int = 0, longest: int = 0) -> Hole:
    """Parts whose strongest pixel reaches ``least``, as far as they reach a share of that."""
    weak = (strength >= least * weakest).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    keep = np.zeros(count, bool)
    keep[labels[strength >= least]] = True
    keep[0] = False
    if most:
        keep &= boxes[:, cv2.CC_STAT_AREA] <= most
    if longest:
        sides = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
        keep &= sides.max(axis=1) >= longest
    return np.asarray(keep[labels])
