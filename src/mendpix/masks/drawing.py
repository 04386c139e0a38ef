"""Holes drawn from numbers: boxes and polygons, in pixels or in percent of the picture.

A coordinate is a distance from the left or top edge, so a box of ``0,0,1,1`` is the first pixel.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MaskError
from mendpix.types import Hole, Shape

_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d*)?|-?\.\d+)\s*(%?)\s*")


def draw_shapes(boxes: Iterable[Shape], polygons: Iterable[Shape], shape: tuple[int, int]) -> Hole:
    """All boxes and polygons as one hole of ``shape``, height and width.

    Raises:
        MaskError: numbers that are no box or polygon, or one that lies outside the picture.
    """
    hole = np.zeros(shape, bool)
    for box in boxes:
        _fill_box(hole, box)
    for polygon in polygons:
        numbers = parse_numbers(polygon, shape)
        if numbers is None or len(numbers) < 6 or len(numbers) % 2:
            raise MaskError(
                f"the polygon {describe(polygon)!r} is not X,Y,X,Y,X,Y or longer, "
                "in pixels or percent"
            )
        inside = fill_polygon(np.reshape(numbers, (-1, 2)), shape)
        _check_touches(inside, "polygon", polygon, shape)
        hole |= inside
    return hole


def _fill_box(hole: Hole, box: Shape) -> None:
    numbers = parse_numbers(box, hole.shape)
    if numbers is None or len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
        raise MaskError(
            f"the box {describe(box)!r} is not X,Y,W,H (left, top, width, height), "
            "in pixels or percent"
        )
    left, top, right, bottom = (
        round(max(0.0, value))
        for value in (*numbers[:2], numbers[0] + numbers[2], numbers[1] + numbers[3])
    )
    inside = hole[top:bottom, left:right]
    _check_touches(inside, "box", box, hole.shape)
    inside[...] = True


def _check_touches(inside: Hole, what: str, numbers: Shape, shape: tuple[int, ...]) -> None:
    if not inside.size or (what == "polygon" and not inside.any()):
        raise MaskError(
            f"the {what} {describe(numbers)!r} holds no pixel of the photo, "
            f"which is {shape[1]}x{shape[0]}"
        )


def describe(numbers: Shape) -> str:
    """Numbers as they are written on the command line; pairs in a sequence are joined."""
    if isinstance(numbers, str):
        return numbers
    parts = (number if isinstance(number, Sequence) else (number,) for number in numbers)
    flat = (part if isinstance(part, str) else ",".join(map(str, part)) for part in parts)
    return ",".join(flat)


def parse_numbers(numbers: Shape, shape: tuple[int, ...]) -> list[float] | None:
    """Pixels of the alternating x and y; None where one is no number."""
    values: list[float] = []
    for part in re.split(r",|(?<=[\d%.])\s+(?=[-\d.])", describe(numbers).strip()):
        match = _NUMBER.fullmatch(part)
        if match is None:
            return None
        whole = shape[1] if len(values) % 2 == 0 else shape[0]
        values.append(float(match[1]) * (whole / 100 if match[2] else 1))
    return values


def fill_polygon(corners: NDArray[np.float64], shape: tuple[int, ...]) -> Hole:
    """The pixels whose centres lie inside a polygon, by the even-odd rule.

    Args:
        corners: ``(N, 2)``, x and y; the last is joined to the first.
        shape: height and width of the hole that is returned.
    """
    left, top = np.floor(corners.min(axis=0)).clip(0).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).clip(0, (shape[1], shape[0])).astype(int)
    hole = np.zeros(shape, bool)
    if left < right and top < bottom:  # a small polygon in a large picture costs little
        box = (bottom - top, right - left)
        hole[top:bottom, left:right] = _fill_box_of_polygon(corners - (left, top), box)
    return hole


def _fill_box_of_polygon(corners: NDArray[np.float64], box: tuple[int, int]) -> Hole:
    height, width = box
    # Every crossing of a row's centre line with an edge changes in and out from there on.
    crossings = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ends = np.ceil(np.sort([y0, y1]) - 0.5).clip(0, height).astype(int)
        rows = np.arange(*ends)
        x = x0 + (rows + 0.5 - y0) * (x1 - x0) / ((y1 - y0) or 1.0)
        np.add.at(crossings, (rows, np.ceil(x - 0.5).clip(0, width).astype(int)), 1)
    return np.asarray(crossings[:, :-1].cumsum(axis=1) % 2 == 1)
