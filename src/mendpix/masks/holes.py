"""Holes: their share and bucket, their parts, their bounding box, and growing them.

A hole is a bool array ``(H, W)``, True = missing, on the picture as displayed.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from mendpix.errors import MaskError
from mendpix.io.picture import Array
from mendpix.types import Amount, Hole

# The hole-ratio buckets in which this field reports: more than the first, up to the second.
BUCKETS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))


@dataclass(frozen=True, slots=True)
class Component:
    """A connected part of a hole (8 neighbours): its box and its area, in pixels."""

    top: int
    left: int
    height: int
    width: int
    area: int


def ratio(hole: Hole) -> float:
    """The share of pixels that are missing, in [0,1]."""
    return float(np.count_nonzero(hole)) / hole.size


def bucket(share: float) -> str | None:
    """The label of the bucket a hole ratio falls into, such as ``"(0.01,0.1]"``, else None."""
    for low, high in BUCKETS:
        if low < share <= high:
            return f"({low:g},{high:g}]"
    return None


def components(hole: Hole) -> list[Component]:
    """The hole's connected parts, from top to bottom."""
    _, _, boxes, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8), connectivity=8)
    parts = [
        Component(top, left, height, width, area)
        for left, top, width, height, area in boxes[1:].tolist()  # the first is the background
    ]
    return sorted(parts, key=lambda part: (part.top, part.left))


def bounding_box(hole: Hole) -> tuple[int, int, int, int]:
    """Top, left, height and width of all that is missing; four zeros where nothing is."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    if not rows.size:
        return 0, 0, 0, 0
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1


def grow(hole: Hole, pixels: Array, amount: Amount) -> tuple[Hole, int | None]:
    """A hole dilated by an amount, and by how many pixels; None where none were asked for.

    Args:
        pixels: ``(H, W, C)``, the picture, in which "auto" finds the edge of what is covered.
    """
    if amount == "auto":
        from mendpix.masks import growth  # here: only "auto" looks at the picture

        return growth.grow(pixels, hole)
    return (dilate(hole, amount), amount) if amount else (hole, None)


def farthest(places: Hole, hole: Hole) -> float:
    """How far from the hole the farthest of these places lies, in pixels."""
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(distance[places].max())


def dilate(hole: Hole, pixels: int) -> Hole:
    """The hole and all that lies within ``pixels`` of it, by Euclidean distance of centres."""
    if pixels < 0:
        raise MaskError(f"a hole cannot grow by {pixels} pixels; give 0 or more")
    top, left, height, width = bounding_box(hole)
    if pixels == 0 or not height:
        return hole.copy()
    box = (  # all that can change
        slice(max(0, top - pixels), top + height + pixels),
        slice(max(0, left - pixels), left + width + pixels),
    )
    known = (~hole[box]).astype(np.uint8)
    distance = cv2.distanceTransform(known, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    grown = hole.copy()
    grown[box] = distance <= pixels + 0.25 / pixels  # the next distance is 0.5 / pixels further
    return grown
