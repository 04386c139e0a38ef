"""What a generator of holes is, and the few things all of them share."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MaskError
from mendpix.types import Hole

Canvas = NDArray[np.uint8]
"""A hole while OpenCV draws it: 1 = missing."""
Random = np.random.Generator
Span = tuple[int, int]
"""The smallest and the largest value of a uniform whole number, both included."""
Range = tuple[float, float]

TRIES = 1000
"""Attempts at a hole of an area that was asked for, before giving up."""


class Generator(Protocol):
    """Options of a kind of hole; called to draw one.

    Lengths are in pixels of a picture whose short side is ``reference`` and grow with the short
    side of the picture drawn for; 0 takes them as they are, whatever the picture.
    """

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        """A hole ``(height, width)``, True = missing."""


def unit_length(height: int, width: int, reference: int) -> float:
    """How many pixels of this picture one pixel of a generator's lengths is."""
    return min(height, width) / reference if reference else 1.0


def draw_integer(random: Random, span: Span) -> int:
    """A uniform whole number of a span."""
    return int(random.integers(span[0], span[1] + 1))


def draw_length(random: Random, span: Span, scale: float) -> int:
    """A uniform whole length of a span, scaled; at least one pixel."""
    return max(1, round(draw_integer(random, span) * scale))


def blank_canvas(height: int, width: int) -> Canvas:
    """A canvas without any hole."""
    return np.zeros((height, width), np.uint8)


def as_hole(canvas: Canvas) -> Hole:
    """The canvas as a hole, without a copy."""
    return canvas.view(np.bool_)


def flip_randomly(hole: Hole, random: Random) -> Hole:
    """Mirror a hole along each axis half of the time."""
    across, down = random.random(2) < 0.5
    return hole[:: -1 if down else 1, :: -1 if across else 1]


def draw_within(area: Range, attempt: Callable[[], Hole]) -> Hole:
    """The first hole that covers more than ``area[0]`` and less than ``area[1]`` of the picture.

    Raises:
        MaskError: none of many did.
    """
    low, high = area
    for _ in range(TRIES):
        hole = attempt()
        if low < np.count_nonzero(hole) / hole.size < high:
            return hole
    raise MaskError(
        f"none of {TRIES} holes covered more than {low:g} and less than {high:g} of the picture; "
        "widen area"
    )
