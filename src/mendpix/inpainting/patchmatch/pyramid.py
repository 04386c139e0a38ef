"""The pyramid: one picture at several sizes, each with its targets, sources and features."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.inpainting.patchmatch.numba_cache import kernels
from mendpix.inpainting.patchmatch.thread_pool import ThreadPool
from mendpix.types import Hole

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

NONE = np.uint32(0xFFFFFFFF)


@dataclass(slots=True)
class Level:
    """One size of the picture.

    Targets are the patch centres whose patches touch the hole, sources those whose patches do
    not; patches that reach over the picture's border are neither.

    Attributes:
        look: ``(H, W, F)`` matching channels; ``voted`` of them are the picture's own.
        hole: ``(H, W)`` what is missing at this size.
        source: ``(H, W)`` centres of patches without missing pixels.
        centre, match, cost, trust: per target, see kernels.py; ``trust`` falls with the
            distance from the rim.
        pixels: ``(m, 2)`` the missing pixels.
        painted: None, or the guide's colours, ``(H, W, C)``.
    """

    look: Bytes
    hole: Hole
    radius: int
    voted: int
    source: Hole = field(init=False)
    index: Ints = field(init=False)
    centre: Ints = field(init=False)
    match: Ints = field(init=False)
    cost: NDArray[np.uint32] = field(init=False)
    trust: Floats = field(init=False)
    painted: Bytes | None = field(init=False, default=None)
    pixels: Ints = field(init=False)
    colours: tuple[Ints, Ints] = field(init=False)
    _users: Ints | None = field(init=False, default=None)
    _used: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.source, targets = divide(self.hole, self.radius)
        self.centre = np.argwhere(targets).astype(np.int32, order="C")
        count = len(self.centre)
        self.index = np.full(self.hole.shape, -1, np.int32)
        self.index[targets] = np.arange(count, dtype=np.int32)
        self.match = np.full((count, 2), -1, np.int32)
        self.cost = np.full(count, NONE)
        self.pixels = np.argwhere(self.hole).astype(np.int32, order="C")
        dark = (self.centre.sum(axis=1) & 1).astype(np.bool_)
        numbers = np.arange(count, dtype=np.int32)
        self.colours = numbers[~dark], numbers[dark]
        self.trust = np.ones(count, np.float32)

    @property
    def flat(self) -> Bytes:
        return self.look.reshape(-1)

    @property
    def features(self) -> int:
        return int(self.look.shape[2])

    def users(self) -> Ints:
        """Per pixel, the last target matched to the patch there, -1 where none is."""
        if self._users is None:
            self._users = np.full(self.hole.shape, -1, np.int32)
        else:  # as it was, without a pass over all of a large picture
            self._users[self._used[:, 0], self._used[:, 1]] = -1
        found = self.match[:, 0] >= 0
        self._used = self.match[found]
        self._users[self._used[:, 0], self._used[:, 1]] = np.flatnonzero(found)
        return self._users

    def guide(self, guide: Floats, weight: float) -> None:
        """Write the guide's colours, ``(h, w, C)`` of the finest size, behind the voted ones."""
        height, width = self.hole.shape
        small = cv2.resize(guide, (width, height), interpolation=cv2.INTER_AREA)
        values = small.reshape(height, width, guide.shape[2]) * np.float32(255 * weight)
        self.look[..., self.voted :] = np.clip(values + np.float32(0.5), 0, 255)
        self.painted = np.clip(small.reshape(values.shape) * 255 + 0.5, 0, 255).astype(np.uint8)

    def paint_guide(self) -> None:
        """Set the missing pixels to the guide's colours."""
        if self.painted is not None:
            self.look[self.hole, : self.painted.shape[2]] = self.painted[self.hole]

    def depth(self) -> Floats:
        """Per pixel, the distance in pixels to the nearest known one."""
        distance = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, 5)
        return np.asarray(distance, dtype=np.float32)


def divide(hole: Hole, radius: int) -> tuple[Hole, Hole]:
    """Where the centres of source patches and of target patches lie, ``(H, W)`` each."""
    touched = cv2.dilate(hole.astype(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8)) > 0
    inside = np.zeros_like(hole)
    inside[radius : hole.shape[0] - radius, radius : hole.shape[1] - radius] = True
    return inside & ~touched, inside & touched


def fitting_radius(hole: Hole, radius: int) -> int:
    """The largest patch radius, at most ``radius``, for which there are sources."""
    while radius > 0 and not divide(hole, radius)[0].any():
        radius -= 1
    return radius


def halved(look: Bytes, mass: Floats, crew: ThreadPool) -> tuple[Bytes, Floats]:
    """The picture at half the size, and which share of each pixel is known."""
    height, width = (look.shape[0] + 1) // 2, (look.shape[1] + 1) // 2
    small = np.empty((height, width, look.shape[2]), np.uint8)
    small_mass = np.empty((height, width), np.float32)
    halve = kernels().halve

    def rows(first: int, last: int) -> None:
        sums = np.empty(look.shape[2], np.float32)
        halve(first, look, mass, small[first:last], small_mass[first:last], sums)

    crew.split(height, rows, width)
    return small, small_mass
