"""CR-Fill's training holes: strokes, and a square or an object's shape."""

from dataclasses import dataclass
from math import cos, pi, sin
from pathlib import Path

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
    flip_randomly,
)
from mendpix.masks.generate.mask_files import Objects
from mendpix.types import Hole


@dataclass(frozen=True, slots=True)
class CrFill:
    """Strokes together with a square, or, half of the time, an object where masks are at hand.

    CR-Fill (ICCV 2021), https://arxiv.org/abs/2011.12836. All lengths follow the picture's size.

    Attributes:
        folder: segmentation masks of objects, white = object; None: always a square.
        object_share: how often an object takes the square's place.
        strokes, segments: how many, and how many segments each.
        square: side of the square, as shares of the picture's short side.
    """

    folder: Path | None = None
    object_share: float = 0.5
    strokes: Span = (1, 5)
    segments: Span = (1, 5)
    width: Range = (0.1, 0.4)
    square: Range = (0.25, 0.5)

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        hole = self._draw_strokes(height, width, random)
        if self.folder is not None and random.random() < self.object_share:
            return hole | Objects(self.folder)(height, width, random)
        _add_square(hole, self.square, random)
        return hole

    def _draw_strokes(self, height: int, width: int, random: Random) -> Hole:
        canvas = blank_canvas(height, width)
        for _ in range(draw_integer(random, self.strokes)):
            self._draw_stroke(canvas, random)
            canvas = np.ascontiguousarray(flip_randomly(as_hole(canvas), random)).view(np.uint8)
        return as_hole(canvas)

    def _draw_stroke(self, canvas: Canvas, random: Random) -> None:
        height, width = canvas.shape
        longest = min(height, width) // 2
        bold = (int(self.width[0] * longest), int(self.width[1] * longest))
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        for number in range(draw_integer(random, self.segments)):
            angle = random.uniform(0, pi)
            angle = 2 * pi - angle if number % 2 == 0 else angle
            length = random.uniform(0, longest)
            # Ends stop at the far borders only: beyond the near ones they may lie outside.
            end_x = min(int(x + length * cos(angle)), width)
            end_y = min(int(y + length * sin(angle)), height)
            cv2.line(canvas, (x, y), (end_x, end_y), 1, max(1, draw_integer(random, bold)))
            x, y = end_x, end_y


def _add_square(hole: Hole, share: Range, random: Random) -> None:
    short = min(hole.shape)
    side = max(1, draw_integer(random, (int(short * share[0]), int(short * share[1]))))
    top, left = (int(random.integers(0, length - side + 1)) for length in hole.shape)
    hole[top : top + side, left : left + side] = True
