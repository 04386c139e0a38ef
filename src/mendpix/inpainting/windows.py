"""Windows around holes and the photo inside them; padding and resizing, and undoing each.

The functions work on arrays ``(H, W)`` or ``(H, W, C)`` of any dtype.
"""

from dataclasses import dataclass
from functools import reduce
from operator import attrgetter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.masks.holes import bounding_box
from mendpix.types import Hole, Photo

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


@dataclass(frozen=True, slots=True)
class Region:
    """A window's part of a photo while it is filled.

    Attributes:
        photo: ``(h, w, C)``; NaN where ``unusable``.
        hole: ``(h, w)``, True = missing.
        unusable: ``(h, w)``, known pixels that are no source, nor shown to a network.
        sources: ``(h, w)``, True = may be copied from; None: all that is known.
    """

    photo: Photo
    hole: Hole
    unusable: Hole
    sources: Hole | None = None

    def flip(self) -> "Region":
        """Mirror left and right."""
        return Region(
            np.ascontiguousarray(self.photo[:, ::-1]),
            np.ascontiguousarray(self.hole[:, ::-1]),
            np.ascontiguousarray(self.unusable[:, ::-1]),
            None if self.sources is None else np.ascontiguousarray(self.sources[:, ::-1]),
        )

    def shrink(self, depth: float, deep: float) -> "Region | None":
        """Resize the region so that its hole is ``depth`` pixels deep, rim to middle.

        Returns: None where the hole is not deeper than ``deep``, or where no pixel of the smaller
        photo would be known: one is missing as soon as any pixel under it is, so thin known parts
        vanish. Sources shrink likewise, so a small one may be none of the smaller photo.
        """
        if self.hole.all():
            return None
        deepest = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, 5).max()
        if deepest <= deep:
            return None
        scale = depth / float(deepest)
        height, width = (max(1, round(n * scale)) for n in self.hole.shape)
        return self.resize((height, width))

    def resize(self, size: tuple[int, int]) -> "Region | None":
        """The region at ``size = (height, width)``, smaller than it is; None as of :meth:`shrink`.

        A hidden pixel has no share in the means: they are divided by the known share.
        """
        known = ~self.unusable & ~self.hole
        masked = np.where(known[..., None], self.photo, np.float32(0))
        weight = resize(known[..., None].astype(np.float32), size)
        small = resize(masked, size) / np.maximum(weight, 1e-6)
        small = np.clip(small, 0, 1)
        hole = resize_hole(self.hole, size)
        unusable = (weight[..., 0] < 0.5) & ~hole
        if (hole | unusable).all():
            return None
        small[unusable] = np.nan
        sources = None if self.sources is None else ~resize_hole(~self.sources, size)
        return Region(np.asarray(small, np.float32), hole, unusable, sources)


def find_finite(array: Array) -> Hole:
    """Where all channels ``(H, W, C)`` are finite numbers, ``(H, W)``."""
    known = np.ones(array.shape[:2], np.bool_)
    if np.issubdtype(array.dtype, np.floating):
        for index in range(array.shape[2]):  # much faster than all(axis=2)
            known &= np.isfinite(array[..., index])
    return known


def find_windows(hole: Hole, context: float = 1.0, smallest: int = 48) -> list[Window]:
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
    return sorted(merge(grown), key=attrgetter("top", "left"))


def plan_windows(missing: Hole, hole: Hole) -> list[tuple[float, Window]]:
    """Windows in which a hole is filled, each with its share of the missing pixels.

    A window of which nearly all is missing or unusable grows until it has some known pixels.

    Args:
        missing: ``(H, W)``, the hole and what is unusable.
    """
    windows = []
    for window in find_windows(hole):
        while missing[window.slices].mean() > 0.9 and window.area < hole.size:
            window = window.grow(max(window.height, window.width), hole.shape)
        windows.append(window)
    counts = [np.count_nonzero(hole[window.slices]) for window in windows]
    return [(count / sum(counts), window) for count, window in zip(counts, windows, strict=True)]


def find_part(missing: Hole, hole: Hole) -> Window:
    """The smallest window that holds those of :func:`plan_windows`, which plans the same in it."""
    return reduce(Window.union, (window for _, window in plan_windows(missing, hole)))


def merge(windows: list[Window]) -> list[Window]:
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


def bounding_window(hole: Hole) -> Window:
    """The smallest window that holds all that is missing, of which there is some."""
    return Window(*bounding_box(hole))


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
