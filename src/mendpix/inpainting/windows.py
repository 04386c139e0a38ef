"""Windows around holes, padding and resizing for a filler's size, and undoing each.

Everything here works on arrays ``(H, W)`` or ``(H, W, C)`` of any dtype.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.types import Hole

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of an array, in pixels: rows from ``top``, columns from ``left``."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    @property
    def area(self) -> int:
        return self.height * self.width

    def grow(self, margin: int, shape: tuple[int, ...]) -> "Window":
        """The window with ``margin`` pixels more on each side, cut off at the array's border."""
        top, left = max(0, self.top - margin), max(0, self.left - margin)
        bottom = min(shape[0], self.top + self.height + margin)
        right = min(shape[1], self.left + self.width + margin)
        return Window(top, left, bottom - top, right - left)

    def touches(self, other: "Window") -> bool:
        return (
            self.top < other.top + other.height
            and other.top < self.top + self.height
            and self.left < other.left + other.width
            and other.left < self.left + self.width
        )

    def union(self, other: "Window") -> "Window":
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom = max(self.top + self.height, other.top + other.height)
        right = max(self.left + self.width, other.left + other.width)
        return Window(top, left, bottom - top, right - left)


def finite(array: Array) -> Hole:
    """Where all channels ``(H, W, C)`` are finite numbers, ``(H, W)``."""
    found = np.ones(array.shape[:2], np.bool_)
    if np.issubdtype(array.dtype, np.floating):
        for index in range(array.shape[2]):  # much faster than all(axis=2)
            found &= np.isfinite(array[..., index])
    return found


def around(hole: Hole, context: float = 1.0, smallest: int = 48) -> list[Window]:
    """Windows that hold every hole component with its surroundings, none overlapping another.

    Args:
        context: margin on each side, as a share of the component's longer side.
        smallest: margin in pixels that even a speck gets.

    Returns: windows from top to bottom; empty where nothing is missing.
    """
    _, _, boxes, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8), connectivity=8)
    grown = []
    for left, top, width, height, _ in boxes[1:].tolist():
        margin = max(smallest, round(context * max(width, height)))
        grown.append(Window(top, left, height, width).grow(margin, hole.shape))
    return sorted(_merge(grown), key=lambda window: (window.top, window.left))


def _merge(windows: list[Window]) -> list[Window]:
    """Unite windows that overlap until none do."""
    done: list[Window] = []
    waiting = list(windows)
    while waiting:
        window = waiting.pop()
        meeting = [other for other in done if window.touches(other)]
        if not meeting:
            done.append(window)
            continue
        for other in meeting:
            done.remove(other)
            window = window.union(other)
        waiting.append(window)
    return done


def square(hole: Hole, inner: float = 0.5) -> Window:
    """The smallest square in which the hole's box takes at most ``inner`` of each side.

    It is centred on the box, moved inwards at the border, and never larger than the array's
    shorter side.

    Raises:
        ValueError: nothing is missing.
    """
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    if not rows.size:
        raise ValueError("nothing is missing: there is no hole to put a window around")
    box = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = int(min(np.ceil(box / inner), *hole.shape))
    top = _place((rows[0] + rows[-1] + 1) / 2, side, hole.shape[0])
    left = _place((columns[0] + columns[-1] + 1) / 2, side, hole.shape[1])
    return Window(top, left, side, side)


def _place(centre: float, side: int, length: int) -> int:
    return int(min(max(0, round(centre - side / 2)), length - side))


def pad(array: Array, multiple: int, smallest: int = 0) -> Array:
    """Extend bottom and right to a multiple (and at least ``smallest``) by mirroring.

    Holes are mirrored like the photo, so what is missing stays missing. Undo with
    ``padded[:height, :width]``.
    """
    height, width = (
        max(smallest, length) + -max(smallest, length) % multiple for length in array.shape[:2]
    )
    extra = [(0, height - array.shape[0]), (0, width - array.shape[1])]
    return np.pad(array, extra + [(0, 0)] * (array.ndim - 2), mode="symmetric")


def resize(photo: Array, size: tuple[int, int]) -> Array:
    """Photo ``(H, W, C)`` float32 at ``size = (height, width)``: area average down, cubic up."""
    height, width = size
    if photo.shape[:2] == size:
        return photo
    shrinking = height * width < photo.shape[0] * photo.shape[1]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    planes = [  # OpenCV takes at most four channels at once
        cv2.resize(np.ascontiguousarray(photo[..., i : i + 4]), (width, height), interpolation=how)
        for i in range(0, photo.shape[2], 4)
    ]
    return np.dstack(planes).astype(photo.dtype, copy=False)


def resize_hole(hole: Hole, size: tuple[int, int]) -> Hole:
    """Hole at ``size = (height, width)``: a pixel is missing where any pixel under it was."""
    height, width = size
    if hole.shape == size:
        return hole
    if height * width < hole.shape[0] * hole.shape[1]:
        share = cv2.resize(hole.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(share > 0)
    bits = cv2.resize(hole.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(bits > 0)
