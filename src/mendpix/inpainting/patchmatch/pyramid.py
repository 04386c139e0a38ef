"""The pyramid: the picture at several sizes, and the features that its patches are compared by."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.inpainting.patchmatch.numba_cache import kernels
from mendpix.inpainting.patchmatch.options import Options
from mendpix.inpainting.patchmatch.thread_pool import ThreadPool
from mendpix.types import Hole

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

NONE = np.uint32(0xFFFFFFFF)

_BAND = 128
"""Rows whose features are computed in one go: the same bands for any number of threads, so that the
bytes are the same however a filter rounds its running sums."""
_GUIDED_THICK = 12.0
"""Instead of ``Options.thick``: the guide knows already what coarser sizes would find."""
_FAINTEST = np.float32(1e-36)
"""The least trust. ``falloff**-depth`` alone underflows some 330 pixels from the rim (1.3**-333 is
about 1e-38, the smallest normal float32), and far within a hole no patch would have a vote."""
_FEWEST_SOURCES = 600
"""Patches a coarser size must offer; with fewer it pastes what does not fit."""


@dataclass(slots=True)
class Level:
    """One size of the picture.

    Targets are the patch centres whose patches touch the hole, sources those whose patches do
    not; patches that reach over the picture's border are neither.

    Attributes:
        features: ``(H, W, F)`` what patches are compared by; the first ``voted`` of them are the
            picture's own, the others the guide's colours.
        hole: ``(H, W)`` what is missing at this size.
        source: ``(H, W)`` centres of patches without missing pixels.
        index, centre, match, cost: see search_kernels.py.
        trust: ``(n,)`` weight of each target's vote.
        chessboard: numbers of the targets on white squares, and on black ones.
        pixels: ``(m, 2)`` the missing pixels.
        guide: None, or at the coarsest size the guide's colours, ``(H, W, C)``.
    """

    features: Bytes
    hole: Hole
    radius: int
    voted: int
    source: Hole = field(init=False)
    index: Ints = field(init=False)
    centre: Ints = field(init=False)
    match: Ints = field(init=False)
    cost: NDArray[np.uint32] = field(init=False)
    trust: Floats = field(init=False)
    guide: Bytes | None = field(init=False, default=None)
    pixels: Ints = field(init=False)
    chessboard: tuple[Ints, Ints] = field(init=False)
    _users: Ints | None = field(init=False, default=None)
    _used: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.source, targets = divide(self.hole, self.radius)
        self.centre = np.argwhere(targets).astype(np.int32, order="C")
        count = len(self.centre)
        numbers = np.arange(count, dtype=np.int32)
        self.index = np.full(self.hole.shape, -1, np.int32)
        self.index[targets] = numbers
        self.match = np.full((count, 2), -1, np.int32)
        self.cost = np.full(count, NONE)
        self.pixels = np.argwhere(self.hole).astype(np.int32, order="C")
        black = (self.centre.sum(axis=1) & 1).astype(np.bool_)
        self.chessboard = numbers[~black], numbers[black]

    def users(self) -> Ints:
        """Per pixel, the last target matched to the patch there, -1 where none is."""
        if self._users is None:
            self._users = np.full(self.hole.shape, -1, np.int32)
        else:  # undo the last call, without a pass over all of a large picture
            self._users[self._used[:, 0], self._used[:, 1]] = -1
        matched = self.match[:, 0] >= 0
        self._used = self.match[matched]
        self._users[self._used[:, 0], self._used[:, 1]] = np.flatnonzero(matched)
        return self._users

    def add_guide(self, guide: Floats, weight: float) -> None:
        """Write a guide's colours, ``(h, w, C)`` of the finest size, behind the voted features."""
        height, width = self.hole.shape
        if guide.shape[:2] != self.hole.shape:
            small = cv2.resize(guide, (width, height), interpolation=cv2.INTER_AREA)
            guide = small.reshape(height, width, guide.shape[2])
        self.guide = np.empty(guide.shape, np.uint8)
        for top in range(0, height, _BAND):  # in bands, to save memory
            rows = slice(top, top + _BAND)
            self.guide[rows] = as_bytes(guide[rows], 1.0)
            self.features[rows, :, self.voted :] = as_bytes(guide[rows], weight)

    def measure_depth(self, rows_columns: Ints) -> Floats:
        """Distance in pixels from each ``(n, 2)`` place to the nearest known pixel, ``(n,)``."""
        distance = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, 5)
        depth = distance[rows_columns[:, 0], rows_columns[:, 1]]
        return np.asarray(depth, dtype=np.float32)


def build_pyramid(
    photo: Floats,
    hole: Hole,
    guide: Floats | None,
    options: Options,
    pool: ThreadPool,
    sources: Hole | None = None,
) -> list[Level]:
    """The levels, finest first, until the hole is thin or few sources are left.

    Args:
        guide: None, or ``(H, W, C)``.
        sources: None, or ``(H, W)``, True = may be copied from.
    """
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).max()
    thick = options.thick if guide is None else _GUIDED_THICK
    count = options.levels or 1 + max(0, int(np.ceil(np.log2(max(1.0, depth / thick)))))
    features = compute_features(photo, ~hole, guide is not None, 1 << (count - 1), options, pool)
    mass = (~hole).astype(np.float32)
    voted = photo.shape[2] + (2 if options.texture else 0)
    radius = options.radius
    barred = hole if sources is None else hole | ~sources
    while radius > 0 and not divide(barred, radius)[0].any():
        radius -= 1  # until there are sources
    levels = [Level(features, hole, radius, voted)]
    for _ in range(count - 1):
        features, mass = halve(features, mass, pool)
        hole = mass < options.known
        patches = np.count_nonzero(divide(hole, options.radius)[0])
        if patches < _FEWEST_SOURCES or not hole.any():
            break
        levels.append(Level(features, hole, options.radius, voted))
    if sources is not None:
        from mendpix.inpainting.patchmatch.constraints import restrict

        levels = restrict(levels, sources)
    for level in levels:
        # Deeper in the hole a patch holds less that is known and more that was guessed, so its
        # vote falls with the distance from the rim (Wexler et al. 2007: 1.3**-distance).
        trust = options.falloff ** -level.measure_depth(level.centre)
        level.trust = np.maximum(trust, _FAINTEST).astype(np.float32)
        if guide is not None:
            level.add_guide(guide, options.guide_weight)
    for level in levels[:-1]:
        level.guide = None  # only the coarsest starts from it
    return levels


def divide(hole: Hole, radius: int) -> tuple[Hole, Hole]:
    """Where the centres of source patches and of target patches lie, ``(H, W)`` each."""
    touched = cv2.dilate(hole.astype(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8)) > 0
    inside = np.zeros_like(hole)
    inside[radius : hole.shape[0] - radius, radius : hole.shape[1] - radius] = True
    return inside & ~touched, inside & touched


def halve(features: Bytes, mass: Floats, pool: ThreadPool) -> tuple[Bytes, Floats]:
    """The features at half the size, and which share of each pixel is known."""
    height, width = (features.shape[0] + 1) // 2, (features.shape[1] + 1) // 2
    small = np.empty((height, width, features.shape[2]), np.uint8)
    small_mass = np.empty((height, width), np.float32)
    rows, sums = (
        np.arange(height, dtype=np.int32),
        np.empty(features.shape[2], np.float32),
    )
    arguments = (features, mass, small, small_mass)
    pool.share(kernels().halve, rows, *arguments, scratch=(sums,), size=width)
    return small, small_mass


def compute_features(
    photo: Floats,
    known: Hole,
    guided: bool,
    window: int,
    options: Options,
    pool: ThreadPool,
) -> Bytes:
    """The features of the finest level, ``(H, W, F)``: colours, texture, room for the guide.

    Args:
        photo: ``(H, W, C)``; its unknown values are not looked at.
        window: side in pixels of the square over which texture is averaged: a patch's pixel at
            the coarsest size (Newson et al. 2014, sec. 3.3, https://arxiv.org/abs/1503.05528).
    """
    height, width, channels = photo.shape
    count = channels + (2 if options.texture else 0) + (channels if guided else 0)
    features = np.zeros((height, width, count), np.uint8)
    tops = np.arange(0, height, _BAND)
    arguments = (features, photo, known, window, options.texture)
    pool.share(_fill_bands, tops, *arguments, size=_BAND * width)
    return features


def _fill_bands(
    tops: Ints,
    features: Bytes,
    photo: Floats,
    known: Hole,
    window: int,
    texture_weight: float,
) -> None:
    """Set the features of the bands that begin at the rows ``tops``."""
    channels = photo.shape[2]
    for top in tops:
        bottom, first = min(top + _BAND, len(features)), max(0, top - window)
        near, band = (
            slice(first, bottom + window + 1),
            slice(top - first, bottom - first),
        )
        grey = np.zeros(known[near].shape, np.float32)
        for i in range(channels):
            colour = np.where(known[near], photo[near, :, i], np.float32(0))
            features[top:bottom, :, i] = as_bytes(colour[band], 1.0)
            grey += colour / np.float32(channels)
        for axis in (0, 1) if texture_weight else ():
            texture = measure_texture(grey, known[near], axis, window)[band]
            features[top:bottom, :, channels + axis] = as_bytes(texture, texture_weight)


def as_bytes(values: Floats, weight: float) -> Bytes:
    """Values in [0,1] times the weight, as 255ths."""
    scaled = values * np.float32(255 * weight)
    scaled += np.float32(0.5)
    np.clip(scaled, 0, 255, out=scaled)
    return scaled.astype(np.uint8)


def measure_texture(grey: Floats, known: Hole, axis: int, window: int) -> Floats:
    """Mean absolute difference of neighbours along ``axis``, over a window around each pixel.

    Only pairs of known pixels count; 0 where the window holds none.
    """
    first: list[slice] = [slice(None), slice(None)]
    second: list[slice] = [slice(None), slice(None)]
    first[axis], second[axis] = slice(0, -1), slice(1, None)
    one, other = tuple(first), tuple(second)
    pairs = np.zeros(known.shape, np.float32)
    pairs[one] = known[one] & known[other]
    step = np.zeros_like(grey)
    step[one] = np.abs(grey[other] - grey[one]) * pairs[one]
    size = (window, window)
    total = cv2.boxFilter(step, -1, size, borderType=cv2.BORDER_CONSTANT)
    share = cv2.boxFilter(pairs, -1, size, borderType=cv2.BORDER_CONSTANT)
    seen = share > 1e-6  # running sums of floats leave crumbs where there is no pair
    np.divide(total, share, out=total, where=seen)
    total[~seen] = 0
    return np.asarray(total, dtype=np.float32)
