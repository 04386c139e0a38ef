"""Holes of plain shapes: squares, boxes upright and turned, lines with circles, a random walk."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.masks.generate.base import (
    Canvas,
    Random,
    Span,
    as_hole,
    blank_canvas,
    draw_integer,
    draw_length,
    unit_length,
)
from mendpix.types import Hole


@dataclass(frozen=True, slots=True)
class Centre:
    """A square in the middle, as Context Encoders are trained on (CVPR 2016).

    Attributes:
        side: its side, as a share of the picture's short side.
    """

    side: float = 0.5

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        side = max(1, round(min(height, width) * self.side))
        hole = np.zeros((height, width), np.bool_)
        top, left = (height - side) // 2, (width - side) // 2
        hole[top : top + side, left : left + side] = True
        return hole


@dataclass(frozen=True, slots=True)
class Blocks:
    """Several small squares that may overlap: Context Encoders' random blocks.

    The paper says that they cover up to a quarter of the picture, not how many nor how large they
    are: that is this library's choice. A square that would cover too much is left out.

    Attributes:
        count: how many squares are tried.
        side: their sides, as shares of the picture's short side.
        most: largest share of the picture that is missing.
    """

    count: Span = (1, 10)
    side: tuple[float, float] = (0.1, 0.25)
    most: float = 0.25

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        hole = np.zeros((height, width), np.bool_)
        for _ in range(draw_integer(random, self.count)):
            side = max(1, round(min(height, width) * random.uniform(*self.side)))
            top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
            wider = hole.copy()
            wider[top : top + side, left : left + side] = True
            if np.count_nonzero(wider) <= self.most * hole.size:
                hole = wider
        return hole


@dataclass(frozen=True, slots=True)
class Boxes:
    """Upright boxes, their sides and places uniform, at least ``margin`` from the border.

    The boxes of LaMa's training (WACV 2022, https://arxiv.org/abs/2109.07161) by default.
    """

    count: Span = (1, 4)
    side: Span = (30, 149)
    margin: int = 10
    reference: int = 256

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        hole = np.zeros((height, width), np.bool_)
        scale = unit_length(height, width, self.reference)
        margin = min(round(self.margin * scale), (min(height, width) - 1) // 2)
        for _ in range(draw_integer(random, self.count)):
            high = min(draw_length(random, self.side, scale), height - 2 * margin)
            wide = min(draw_length(random, self.side, scale), width - 2 * margin)
            top = random.integers(margin, height - high - margin + 1)
            left = random.integers(margin, width - wide - margin + 1)
            hole[top : top + high, left : left + wide] = True
        return hole


@dataclass(frozen=True, slots=True)
class TurnedBoxes:
    """Boxes at any angle, uniform over the picture or drawn towards its middle.

    A definition of this library. A pixel is missing where its coordinates, turned back about the
    box's centre, lie within half the box's sides.

    Attributes:
        count: how many boxes.
        side: their sides, as shares of the picture's short side.
        spread: standard deviation of the centre from the middle, as a share of each side of the
            picture, cut off at its border; 0: the centre is uniform.
    """

    count: Span = (1, 3)
    side: tuple[float, float] = (0.15, 0.5)
    spread: float = 0.0

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        hole = np.zeros((height, width), np.bool_)
        for _ in range(draw_integer(random, self.count)):
            hole |= self._box(height, width, random)
        return hole

    def _box(self, height: int, width: int, random: Random) -> Hole:
        y, x = self._centre(height, random), self._centre(width, random)
        high, wide = random.uniform(*self.side, 2) * min(height, width)
        angle = random.uniform(0, np.pi)
        sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
        rows = np.arange(height, dtype=np.float32)[:, None] - np.float32(y)
        columns = np.arange(width, dtype=np.float32) - np.float32(x)
        along = np.abs(cosine * columns + sine * rows) <= wide / 2
        across = np.abs(cosine * rows - sine * columns) <= high / 2
        inside: Hole = along & across
        return inside

    def _centre(self, side: int, random: Random) -> float:
        if not self.spread:
            return random.uniform(0, side - 1)
        return min(max(random.normal((side - 1) / 2, self.spread * side), 0.0), side - 1.0)


@dataclass(frozen=True, slots=True)
class Drawings:
    """Lines, filled circles and ellipse arcs, 1 to 20 of each.

    What public implementations of partial convolutions made their masks of. Thickness and radius
    are from 3 pixels to ``thickness`` of height plus width.
    """

    count: Span = (1, 20)
    thickness: float = 0.03

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        canvas = blank_canvas(height, width)
        bold = (3, max(3, int((height + width) * self.thickness)))
        for _ in range(draw_integer(random, self.count)):
            ends = _points(2, height, width, random)
            cv2.line(canvas, ends[0], ends[1], 1, draw_integer(random, bold))
        for _ in range(draw_integer(random, self.count)):
            cv2.circle(
                canvas, _points(1, height, width, random)[0], draw_integer(random, bold), 1, -1
            )
        for _ in range(draw_integer(random, self.count)):
            _draw_arc(canvas, draw_integer(random, bold), random)
        return as_hole(canvas)


def _points(count: int, height: int, width: int, random: Random) -> list[tuple[int, int]]:
    """Points ``(x, y)``, uniform over the picture."""
    x, y = random.integers(0, width, count), random.integers(0, height, count)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _draw_arc(canvas: Canvas, thickness: int, random: Random) -> None:
    """An ellipse's arc of any length, turned by any angle."""
    height, width = canvas.shape
    centre = _points(1, height, width, random)[0]
    axes = (int(random.integers(1, max(2, width))), int(random.integers(1, max(2, height))))
    turn, begin, end = (int(angle) for angle in random.integers(3, 180, 3))
    cv2.ellipse(canvas, centre, axes, turn, begin, end, 1, thickness)


@dataclass(frozen=True, slots=True)
class Walk:
    """All that a random walk visits: to one of four neighbours at each step, kept in the picture.

    Attributes:
        steps: length of the walk, as a multiple of the picture's pixels.
    """

    steps: float = 1.0

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        hole = np.zeros(height * width, np.bool_)
        count = max(1, round(height * width * self.steps))
        directions = np.frombuffer(random.bytes(count), np.uint8) & 3
        rows = _fold(_DOWN.take(directions), height, random)
        columns = _fold(_ACROSS.take(directions), width, random)
        hole[(rows * width + columns).astype(np.intp)] = True
        return hole.reshape(height, width)


_DOWN, _ACROSS = np.array([[1, -1, 0, 0], [0, 0, 1, -1]], np.int32)


def _fold(moves: NDArray[np.int32], side: int, random: Random) -> NDArray[np.int32]:
    """One coordinate of a reflected random walk, without a loop over its steps.

    By the reflection principle, a walk that is held back at the ends of a side has the law of a
    free one on the endless line, folded at them.
    """
    free = np.cumsum(moves, dtype=np.int32) + random.integers(0, side, dtype=np.int32)
    place = free - 2 * side * np.floor_divide(free, 2 * side)  # np.mod is ten times slower
    inside: NDArray[np.int32] = np.minimum(place, 2 * side - 1 - place)
    return inside
