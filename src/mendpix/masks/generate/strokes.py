"""Holes of brush strokes as the papers' released code draws them."""

from dataclasses import dataclass, field
from math import cos, hypot, pi, sin

import cv2
import numpy as np

from mendpix.masks.generate.base import (
    Canvas,
    Random,
    Range,
    Span,
    as_hole,
    blank_canvas,
    draw_integer,
    draw_length,
    draw_within,
    flip_randomly,
    unit_length,
)
from mendpix.masks.generate.shapes import Boxes
from mendpix.types import Hole

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Brush:
    """DeepFillv2's brush: a polyline that turns back and forth, round at its vertices.

    Free-form inpainting with gated convolution (ICCV 2019), https://arxiv.org/abs/1806.03589
    """

    vertices: Span = (4, 11)
    width: Range = (12, 40)

    def stroke(self, canvas: Canvas, scale: float, random: Random) -> None:
        """Draw one stroke."""
        height, width = canvas.shape
        low = 2 * pi / 5 - random.uniform(0, 2 * pi / 15)
        high = 2 * pi / 5 + random.uniform(0, 2 * pi / 15)
        typical = hypot(height, width) / 8
        count = draw_integer(random, self.vertices)
        angles = random.uniform(low, high, count)
        angles[::2] = 2 * pi - angles[::2]
        lengths = np.clip(random.normal(typical, typical // 2, count), 0, 2 * typical)
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        points = [(x, y)]
        for angle, length in zip(angles.tolist(), lengths.tolist(), strict=True):
            x = int(min(max(x + length * cos(angle), 0), width))
            y = int(min(max(y + length * sin(angle), 0), height))
            points.append((x, y))
        thickness = max(1, int(random.uniform(*self.width) * scale))
        cv2.polylines(canvas, [np.array(points, np.int32)], False, 1, thickness)


@dataclass(frozen=True, slots=True)
class DeepFill:
    """DeepFillv2's training holes: a box, shrunk at random, and 1 to 3 brush strokes.

    Attributes:
        box: side of the box; 0: no box.
        delta: each side of it is shrunk at both ends by up to half of this.
        strokes: how many strokes.
    """

    box: int = 128
    delta: int = 32
    strokes: Span = (1, 3)
    brush: Brush = Brush()
    reference: int = 256

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        canvas = blank_canvas(height, width)
        scale = unit_length(height, width, self.reference)
        for _ in range(draw_integer(random, self.strokes)):
            self.brush.stroke(canvas, scale, random)
        side = min(round(self.box * scale), height - 1, width - 1)
        if side > 0:
            top, left = random.integers(0, height - side), random.integers(0, width - side)
            shrunk = max(0, min(round(self.delta * scale), side - 1)) // 2
            rows, columns = random.integers(0, shrunk + 1, 2)
            canvas[top + rows : top + side - rows, left + columns : left + side - columns] = 1
        return as_hole(canvas)


@dataclass(frozen=True, slots=True)
class FreeForm:
    """Boxes and strokes, many at once: CoMod-GAN's training holes, and MAT's with fewer of each.

    https://arxiv.org/abs/2103.10428 and https://arxiv.org/abs/2203.15270

    Attributes:
        small, large, strokes: fewer boxes up to half the side, boxes up to the side, and strokes
            than this.
        area: share of the picture that is missing; the counts shrink where its ends add up to
            less than 1.
    """

    small: int = 10
    large: int = 5
    strokes: int = 20
    brush: Brush = Brush(vertices=(4, 17), width=(12, 48))
    area: Range = (0.0, 1.0)
    reference: int = 256

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        return draw_within(self.area, lambda: self._attempt(height, width, random))

    def _attempt(self, height: int, width: int, random: Random) -> Hole:
        canvas = blank_canvas(height, width)
        fewer = min(sum(self.area), 1.0)
        scale = unit_length(height, width, self.reference)
        for most, part in ((self.small, 2), (self.large, 1)):
            for _ in range(_draw_below(int(most * fewer), random)):
                _draw_clipped_box(canvas, part, random)
        for _ in range(_draw_below(int(self.strokes * fewer), random)):
            self.brush.stroke(canvas, scale, random)
        return flip_randomly(as_hole(canvas), random)


def _draw_below(count: int, random: Random) -> int:
    return int(random.integers(count)) if count > 0 else 0


def _draw_clipped_box(canvas: Canvas, part: int, random: Random) -> None:
    """A box of sides up to a part of the canvas's, of which up to half may lie outside."""
    spans = []
    for side in canvas.shape:
        length = _draw_below(side // part, random)
        start = int(random.integers(-(length // 2), side - length + length // 2 + 1))
        spans.append(slice(max(0, start), max(0, start + length)))
    canvas[spans[0], spans[1]] = 1


@dataclass(frozen=True, slots=True)
class Irregular:
    """Strokes of straight segments, their angles whole radians.

    LaMa's irregular holes by default; others took the same way with other figures.

    Attributes:
        strokes: how many strokes; each of 1 to 5 segments.
        angles: angles are 0.01 plus a whole number of radians below this, mirrored for every
            other stroke.
        length, width: of a segment.
        area: share of the picture that is missing.
    """

    strokes: Span = (1, 6)
    angles: int = 4
    length: Span = (10, 209)
    width: Span = (5, 104)
    area: Range = (0.0, 1.0)
    reference: int = 256

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        return draw_within(self.area, lambda: self._attempt(height, width, random))

    def _attempt(self, height: int, width: int, random: Random) -> Hole:
        canvas = blank_canvas(height, width)
        scale = unit_length(height, width, self.reference)
        for number in range(draw_integer(random, self.strokes)):
            self._draw_stroke(canvas, number % 2 == 0, scale, random)
        return as_hole(canvas)

    def _draw_stroke(self, canvas: Canvas, mirrored: bool, scale: float, random: Random) -> None:
        height, width = canvas.shape
        start = (int(random.integers(0, width)), int(random.integers(0, height)))
        for _ in range(draw_integer(random, (1, 5))):
            angle = 0.01 + int(random.integers(self.angles))
            angle = 2 * pi - angle if mirrored else angle
            length = draw_length(random, self.length, scale)
            end = (
                int(min(max(start[0] + length * sin(angle), 0), width)),
                int(min(max(start[1] + length * cos(angle), 0), height)),
            )
            cv2.line(canvas, start, end, 1, draw_length(random, self.width, scale))
            start = end


@dataclass(frozen=True, slots=True)
class Lama:
    """LaMa's holes: irregular strokes or boxes (WACV 2022, https://arxiv.org/abs/2109.07161).

    Attributes:
        box_share: how often boxes, relative to strokes' 1.
        most: holes that cover more than this are drawn again.
    """

    irregular: Irregular = field(default=Irregular())
    boxes: Boxes = field(default=Boxes())
    box_share: float = 1.0
    most: float = 1.0

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        return draw_within((0.0, self.most), lambda: self._attempt(height, width, random))

    def _attempt(self, height: int, width: int, random: Random) -> Hole:
        boxes = random.random() < self.box_share / (1 + self.box_share)
        return (self.boxes if boxes else self.irregular)(height, width, random)


@dataclass(frozen=True, slots=True)
class Gmcnn:
    """Strokes of up to 20 segments, one beside the other, as GMCNN is trained on (NeurIPS 2018).

    https://arxiv.org/abs/1810.08771
    """

    strokes: int = 10
    vertices: int = 20
    length: int = 100
    width: Span = (10, 24)
    reference: int = 256

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        canvas = blank_canvas(height, width)
        scale = unit_length(height, width, self.reference)
        for _ in range(self.strokes):
            self._draw_stroke(canvas, scale, random)
        return as_hole(canvas)

    def _draw_stroke(self, canvas: Canvas, scale: float, random: Random) -> None:
        height, width = canvas.shape
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        for number in range(draw_integer(random, (0, self.vertices))):
            angle = draw_integer(random, (0, 360)) * pi / 180
            angle = 2 * pi - angle if number % 2 == 0 else angle
            length = draw_integer(random, (0, self.length)) * scale
            thickness = draw_length(random, (self.width[0] // 2, self.width[1] // 2), 2 * scale)
            end_x = int(min(max(x + length * sin(angle), 0), width))
            end_y = int(min(max(y + length * cos(angle), 0), height))
            cv2.line(canvas, (x, y), (end_x, end_y), 1, thickness)
            x, y = end_x, end_y
