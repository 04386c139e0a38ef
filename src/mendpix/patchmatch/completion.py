"""Complete one window: coarse to fine, search for matching patches, let them vote, repeat."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.patchmatch.compiling import kernels
from mendpix.patchmatch.crew import Crew
from mendpix.patchmatch.options import Options
from mendpix.patchmatch.levels import NONE, Bytes, Floats, Hole, Ints, Level, divide, halved


class Completion:
    """One window being filled.

    Args:
        photo: ``(H, W, C)`` float32.
        hole: ``(H, W)``, True = missing; at least one pixel is known and finite.
        guide: None, or ``(H, W, C)``: what to stay near.
        key: what the random numbers hang on.
    """

    def __init__(
        self,
        photo: Floats,
        hole: Hole,
        guide: Floats | None,
        key: int,
        options: Options,
        crew: Crew,
    ) -> None:
        self.photo, self.hole, self.crew, self.options = photo, hole, crew, options
        self.kernels = kernels()
        self.key, self.sweep = key, 0
        self.levels = self._pyramid(guide)
        crew.plan(self.work())

    def _pyramid(self, guide: Floats | None) -> list[Level]:
        o = self.options
        known = ~self.hole
        depth = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, 5).max()
        count = o.levels or 1 + max(0, int(np.ceil(np.log2(max(1.0, depth / o.thick)))))
        look = features(self.photo, known, guide, 1 << (count - 1), o)
        mass = known.astype(np.float32)
        voted = self.photo.shape[2] + (2 if o.texture else 0)
        levels = [Level(look, self.hole, fitting_radius(self.hole, o.radius), voted)]
        for _ in range(count - 1):
            look, mass = halved(look, mass, self.crew)
            hole = mass < o.known
            if divide(hole, o.radius)[0].sum() < 64:
                break
            levels.append(Level(look, hole, o.radius, voted))
        for level in levels:
            depths = level.depth()
            level.trust = (o.falloff ** -depths[level.centre[:, 0], level.centre[:, 1]]).astype(
                np.float32
            )
        return levels

    def work(self) -> float:
        return sum(self._rounds(i) * (len(l.centre) + 1) for i, l in enumerate(self.levels)) + len(
            self.levels[-1].centre
        )

    def _rounds(self, number: int) -> int:
        return self.options.last_rounds if number == 0 else self.options.rounds

    def run(self) -> Floats:
        coarsest = self.levels[-1]
        self.peel(coarsest)
        for number in reversed(range(len(self.levels))):
            level = self.levels[number]
            if level is not coarsest:
                self.descend(self.levels[number + 1], level)
            for r in range(self._rounds(number)):
                self.search(level, number)
                self.vote(
                    level,
                    self.options.sharpness
                    if number or r < self._rounds(number) - 1
                    else self.options.last_sharpness,
                )
                self.crew.report(len(level.centre))
        return self.finish(self.levels[0])

    def search(self, level: Level, number: int) -> None:
        size = max(level.hole.shape)
        reach = size if number == len(self.levels) - 1 or number >= 2 else self.options.fine_reach
        for s in range(self.options.sweeps):
            users = self.users(level) if self.options.enrich else np.empty((0, 0), np.int32)
            for colour in level.colours:
                self.sweep_(
                    level,
                    colour,
                    users,
                    rescore=s == 0,
                    jump=3 if s == 0 else 0,
                    reach=reach if s == 0 else 4,
                    tries=1,
                )

    def sweep_(
        self,
        level: Level,
        order: Ints,
        users: Ints,
        *,
        rescore: bool,
        jump: int,
        reach: int,
        tries: int,
        ready: Hole | None = None,
    ) -> None:
        self.sweep += 1
        seed = np.uint64((self.key * 1000003 + self.sweep) & 0xFFFFFFFFFFFFFFFF)
        seed = np.uint64(int(seed) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
        masked = ready is not None
        mask = ready if ready is not None else level.hole
        self.crew.each(
            order,
            lambda stretch: self.kernels.search(
                level.flat,
                mask,
                masked,
                level.features,
                level.radius,
                stretch,
                level.index,
                level.centre,
                level.match,
                level.cost,
                level.source,
                users,
                rescore,
                jump,
                reach,
                tries,
                seed,
            ),
        )

    def users(self, level: Level) -> Ints:
        users = np.full(level.hole.shape, -1, np.int32)
        found = level.match[:, 0] >= 0
        users[level.match[found, 0], level.match[found, 1]] = np.flatnonzero(found)
        return users

    def vote(self, level: Level, sharpness: float, order: Ints | None = None) -> None:
        if order is None:
            order = np.arange(len(level.pixels), dtype=np.int32)
        self.crew.each(
            order,
            lambda stretch: self.kernels.vote(
                level.flat,
                level.features,
                level.voted,
                level.radius,
                stretch,
                level.pixels,
                level.index,
                level.centre,
                level.match,
                level.cost,
                level.trust,
                np.float32(sharpness),
            ),
        )

    def peel(self, level: Level) -> None:
        """Fill the coarsest level from the rim inwards (Newson et al. 2014, sec. 3.5)."""
        ready = ~level.hole
        depth = level.depth()
        at = np.ceil(depth[level.centre[:, 0], level.centre[:, 1]])
        ring = np.ceil(depth[level.pixels[:, 0], level.pixels[:, 1]])
        empty = np.empty((0, 0), np.int32)
        size = max(level.hole.shape)
        for layer in range(int(ring.max()) + 1):
            here = at == layer
            for s in range(3):
                for colour in level.colours:
                    self.sweep_(
                        level,
                        colour[here[colour]],
                        empty,
                        rescore=s > 0,
                        jump=3,
                        reach=size,
                        tries=self.options.peel_tries if s == 0 else 2,
                        ready=ready,
                    )
            self._adopt(level, here & (level.match[:, 0] < 0))
            now = np.flatnonzero(ring == layer).astype(np.int32)
            self.vote(level, self.options.sharpness, now)
            ready[level.pixels[now, 0], level.pixels[now, 1]] = True
            self.crew.report(float(here.sum()))

    def descend(self, coarse: Level, level: Level) -> None:
        everyone = np.arange(len(level.centre), dtype=np.int32)
        self.crew.each(
            everyone,
            lambda stretch: self.kernels.inherit(
                stretch,
                level.index,
                level.centre,
                level.match,
                level.cost,
                level.source,
                coarse.index,
                coarse.match,
                coarse.cost,
            ),
        )
        self._adopt(level, level.match[:, 0] < 0)
        self.vote(level, self.options.sharpness)

    def _adopt(self, level: Level, lost: Hole) -> None:
        """Give targets that found no match any source."""
        count = int(np.count_nonzero(lost))
        if count:
            places = np.argwhere(level.source)
            self.sweep += 1
            rng = np.random.default_rng([self.key, self.sweep])
            level.match[lost] = places[rng.integers(len(places), size=count)]
            level.cost[lost] = NONE - 1

    def finish(self, level: Level) -> Floats:
        out = self.photo.copy()
        order = np.arange(len(level.pixels), dtype=np.int32)
        py, px = level.pixels[:, 0], level.pixels[:, 1]
        if self.options.final == "elect":
            origin = np.empty((len(level.pixels), 2), np.int32)
            self.crew.each(
                order,
                lambda stretch: self.kernels.elect(
                    level.radius,
                    stretch,
                    level.pixels,
                    level.index,
                    level.centre,
                    level.match,
                    level.cost,
                    level.trust,
                    np.float32(self.options.last_sharpness),
                    origin,
                ),
            )
            out[py, px] = self.photo[origin[:, 0], origin[:, 1]]
        else:
            out[py, px] = (
                level.look[py, px, : out.shape[2]].astype(np.float32) / self.span[1] + self.span[0]
            )
        return out

    span = (np.float32(0), np.float32(255))


def fitting_radius(hole: Hole, radius: int) -> int:
    """The largest patch radius, at most ``radius``, for which there are sources."""
    while radius > 0 and not divide(hole, radius)[0].any():
        radius -= 1
    return radius


def features(photo: Floats, known: Hole, guide: Floats | None, window: int, o: Options) -> Bytes:
    channels = photo.shape[2]
    count = channels + (2 if o.texture else 0) + (0 if guide is None else channels)
    look = np.zeros((*photo.shape[:2], count), np.uint8)
    colours = np.where(known[..., None], photo, 0)
    look[..., :channels] = np.clip(colours * 255 + 0.5, 0, 255)
    if o.texture:
        grey = colours.mean(axis=2)
        for axis in (0, 1):
            t = texture(grey, known, axis, window)
            look[..., channels + axis] = np.clip(t * (255 * o.texture) + 0.5, 0, 255)
    return look


def texture(grey: Floats, known: Hole, axis: int, window: int) -> Floats:
    """Mean absolute gradient along ``axis`` over the known part of a window around each pixel."""
    pad = [(0, 0), (0, 0)]
    pad[axis] = (0, 1)
    both = known.copy()
    a = [slice(None), slice(None)]
    b = [slice(None), slice(None)]
    a[axis] = slice(0, -1)
    b[axis] = slice(1, None)
    step = np.zeros_like(grey)
    step[tuple(a)] = np.abs(grey[tuple(b)] - grey[tuple(a)])
    both[tuple(a)] &= known[tuple(b)]
    last = [slice(None), slice(None)]
    last[axis] = slice(-1, None)
    both[tuple(last)] = False
    step[~both] = 0
    size = (window, window)
    total = cv2.boxFilter(step, -1, size, borderType=cv2.BORDER_CONSTANT)
    share = cv2.boxFilter(both.astype(np.float32), -1, size, borderType=cv2.BORDER_CONSTANT)
    return np.where(share > 1e-6, total / np.maximum(share, 1e-6), 0).astype(np.float32)
