"""Rank several fills by seam continuity, without the truth: the likeliest first.

The criterion is rim continuity: a fill that goes on with what surrounds it bends no more at the
rim than the picture itself does nearby. Bends are second differences, in a row or column of three
pixels of which some are missing and some known. They are counted on a smaller picture, on which
the hole is at most 32 pixels deep and at most half as deep as it was: there they are of shapes,
not of grain.
"""

import cv2
import numpy as np

from mendpix.types import Hole, Photo

NEAR = 7
"""Pixels around the hole whose bends are what to expect."""
DEPTH = 32
"""Pixels that the hole may be deep, rim to middle, on the smaller picture."""
FLOOR = 1 / 255
"""Bend below which none is seen."""


def rank(fills: list[Photo], hole: Hole, unusable: Hole) -> list[int]:
    """The places of the fills ``(H, W, C)`` in the list, the likeliest first.

    Args:
        hole: ``(H, W)``, what was missing.
        unusable: ``(H, W)``, known pixels that do not count.
    """
    scores = [seam_score(fill, hole, unusable) for fill in fills]
    return sorted(range(len(fills)), key=lambda place: scores[place])


def seam_score(fill: Photo, hole: Hole, unusable: Hole) -> float:
    """How much more the picture bends at the rim than around it: a logarithm, 0 = as much."""
    across, near = measure_bends(*shrink(fill, hole, unusable))
    return float(np.log((across + FLOOR) / (near + FLOOR)))


def shrink(fill: Photo, hole: Hole, unusable: Hole) -> tuple[Photo, Hole, Hole]:
    """The picture at the size at which bends are counted."""
    deepest = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).max()
    scale = min(0.5, DEPTH / float(deepest)) if deepest > 0 else 0.5
    size = tuple(max(4, round(length * scale)) for length in hole.shape[::-1])
    planes = [
        cv2.resize(np.ascontiguousarray(fill[..., index]), size, interpolation=cv2.INTER_AREA)
        for index in range(fill.shape[2])
    ]
    return np.dstack(planes), _shrink_mask(hole, size), _shrink_mask(unusable, size)


def _shrink_mask(where: Hole, size: tuple[int, ...]) -> Hole:
    share = cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(share >= 0.5)


def measure_bends(photo: Photo, hole: Hole, unusable: Hole) -> tuple[float, float]:
    """Mean absolute second difference across the rim, and in the known pixels near it."""
    square = np.ones((2 * NEAR + 1,) * 2, np.uint8)
    around = cv2.dilate(hole.astype(np.uint8), square) > 0
    across, near = [], []
    for axis in (0, 1):
        bend = np.abs(np.diff(photo, 2, axis=axis)).mean(axis=2)
        missing = _triples(hole, axis)
        usable = ~np.any(_triples(unusable, axis), axis=0)
        rim = missing.any(axis=0) & ~missing.all(axis=0) & usable
        outside = ~missing.any(axis=0) & _triples(around, axis)[1] & usable
        across.append(bend[rim])
        near.append(bend[outside])
    return _mean(across), _mean(near)


def _triples(where: Hole, axis: int) -> Hole:
    """For three pixels in a row, ``(3, ...)``."""
    count = where.shape[axis]
    return np.stack([np.take(where, range(k, count - 2 + k), axis) for k in range(3)])


def _mean(parts: list[Photo]) -> float:
    values = np.concatenate(parts)
    return float(values.mean()) if values.size else 0.0
