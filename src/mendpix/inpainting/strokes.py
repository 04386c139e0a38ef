"""Strokes that somebody drew, and where they cross a hole."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MaskError
from mendpix.inpainting.windows import Window
from mendpix.masks.drawing import describe, parse_numbers
from mendpix.types import Hole, Shape

Floats = NDArray[np.float32]

HALF_WIDTH = 8
"""Pixels of the band on either side of the stroke: an edge's blur, and room for a patch."""
_LEAST = 6  # known pixels along the stroke beyond the hole, below which there is nothing to copy


@dataclass(frozen=True, slots=True)
class Stroke:
    """A polyline with its length as a coordinate; it goes on straight beyond both ends.

    Attributes:
        points: ``(n, 2)`` x and y, in pixels.
    """

    points: NDArray[np.float64]

    def locate(self, along: Floats, aside: Floats) -> tuple[Floats, Floats]:
        """x and y of places ``along`` pixels from the start and ``aside`` of the stroke."""
        steps = np.diff(self.points, axis=0)
        lengths = np.hypot(*steps.T)
        starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
        part = np.clip(np.searchsorted(starts, along, side="right") - 1, 0, len(steps) - 1)
        ahead = steps / lengths[:, None]
        rest = along - starts[part]
        x = self.points[part, 0] + rest * ahead[part, 0] - aside * ahead[part, 1]
        y = self.points[part, 1] + rest * ahead[part, 1] + aside * ahead[part, 0]
        return x.astype(np.float32), y.astype(np.float32)

    def measure(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """Places' distances along and aside of the stroke, by its nearest part."""
        best = np.full(x.shape, np.inf)
        along, aside, start = np.zeros(x.shape), np.zeros(x.shape), 0.0
        for index, (one, other) in enumerate(pairwise(self.points)):
            length = float(np.hypot(*(other - one)))
            ahead = (other - one) / length
            forward = (x - one[0]) * ahead[0] + (y - one[1]) * ahead[1]
            beside = (y - one[1]) * ahead[0] - (x - one[0]) * ahead[1]
            low = -np.inf if index == 0 else 0.0
            high = np.inf if index == len(self.points) - 2 else length
            distance = np.hypot(forward - forward.clip(low, high), beside)
            nearer = distance < best
            best[nearer], along[nearer], aside[nearer] = (
                distance[nearer], (start + forward)[nearer], beside[nearer]
            )  # fmt: skip
            start += length
        return along.astype(np.float32), aside.astype(np.float32)

    def move(self, window: Window) -> "Stroke":
        """The stroke on a window's part of the picture."""
        return Stroke(self.points - (window.left, window.top))

    @property
    def length(self) -> float:
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())


def parse_stroke(line: Shape, shape: tuple[int, int]) -> Stroke:
    """The stroke of a line's numbers ``X,Y,X,Y`` or longer, in pixels or percent.

    Args:
        shape: height and width of the picture.

    Raises:
        MaskError: no such numbers, or two points in a row that are one.
    """
    numbers = parse_numbers(line, shape)
    if numbers is None or len(numbers) < 4 or len(numbers) % 2:
        raise MaskError(
            f"the line {describe(line)!r} is not X,Y,X,Y or longer, in pixels or percent"
        )
    points = np.reshape(numbers, (-1, 2)) - 0.5  # a place counts from the edge, not from a centre
    if (np.hypot(*np.diff(points, axis=0).T) < 1).any():
        raise MaskError(f"the line {describe(line)!r} has two points in one place; leave one out")
    return Stroke(points)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a stroke inside a hole.

    Attributes:
        start, end: pixels along the stroke.
        before, after: pixels in a row that are known along the band before and after it, 0 where
            they are too few, or where the stroke ends inside the hole.
    """

    start: int
    end: int
    before: int
    after: int


def find_gaps(stroke: Stroke, hole: Hole, known: Hole) -> list[Gap]:
    """The stretches of a stroke inside a hole.

    Raises:
        MaskError: there is none, or none beyond which something is known.
    """
    reach = int(np.hypot(*hole.shape)) + 1
    along = np.arange(-reach, int(stroke.length) + reach + 1, dtype=np.float32)
    aside = np.arange(-HALF_WIDTH, HALF_WIDTH + 1, dtype=np.float32)
    missing = look_up(hole, stroke, along, np.zeros(1, np.float32))[:, 0]
    usable: Hole = np.all(look_up(known, stroke, along, aside), axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    crossed = [
        (first, last)
        for first, last in edges.reshape(-1, 2).tolist()
        if along[last - 1] >= 0 and along[first] <= stroke.length
    ]
    gaps = [_measure_gap(first, last, reach, stroke.length, usable) for first, last in crossed]
    gaps = [gap for gap in gaps if gap.before or gap.after]
    if not gaps:
        points = " ".join(f"{x:g},{y:g}" for x, y in stroke.points)
        what = "has too little known beyond the hole" if crossed else "crosses no hole"
        raise MaskError(f"the line {points} {what}; draw it from known pixels through the hole")
    return gaps


def _measure_gap(first: int, last: int, reach: int, length: float, usable: Hole) -> Gap:
    """The gap between two places of a stroke that begins at ``reach``."""
    start, end = first - reach, last - reach
    # The rim may be slanted: the first places at which the whole width of the band is known.
    ahead = np.flatnonzero(usable[last : last + 3 * HALF_WIDTH])
    behind = np.flatnonzero(usable[max(0, first - 3 * HALF_WIDTH) : first][::-1])
    before = _count_run(usable[: first - int(behind[0])][::-1]) if len(behind) else 0
    after = _count_run(usable[last + int(ahead[0]) :]) if len(ahead) else 0
    if before:
        start -= int(behind[0])
    if after:
        end += int(ahead[0])
    if start < -_LEAST and first - reach < -_LEAST:  # the stroke begins inside the hole
        start, before = 0, 0
    if last - reach > length + _LEAST:
        end, after = int(length), 0
    return Gap(start, end, before, after)


def _count_run(usable: Hole) -> int:
    """How many of the first are usable in a row; 0 where they are too few."""
    stops = np.flatnonzero(~usable)
    count = int(stops[0]) if len(stops) else len(usable)
    return count if count >= _LEAST else 0


def look_up(flags: Hole, stroke: Stroke, along: Floats, aside: Floats) -> Hole:
    """The flags ``(along, aside)`` of the pixels on a stroke; False beyond the picture."""
    height, width = flags.shape
    x, y = stroke.locate(*np.meshgrid(along, aside, indexing="ij"))
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    return np.asarray(inside & flags[row.clip(0, height - 1), column.clip(0, width - 1)])


def find_band(stroke: Stroke, gap: Gap, hole: Hole) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of a hole's pixels near a stroke's gap."""
    x, y = stroke.locate(
        np.arange(gap.start, gap.end + 1, dtype=np.float32), np.zeros(1, np.float32)
    )
    margin = 2 * HALF_WIDTH
    top, left = max(0, int(y.min()) - margin), max(0, int(x.min()) - margin)
    part = hole[top : int(y.max()) + margin, left : int(x.max()) + margin]
    rows, columns = np.nonzero(part)
    rows, columns = rows + top, columns + left
    along, aside = stroke.measure(columns.astype(np.float64), rows.astype(np.float64))
    near = (np.abs(aside) <= HALF_WIDTH) & (along >= gap.start - 1) & (along <= gap.end + 1)
    return rows[near], columns[near]
