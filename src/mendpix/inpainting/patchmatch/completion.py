"""Complete one window: coarse to fine, search for matching patches, let them vote, repeat."""

import cv2
import numpy as np

from mendpix.inpainting.patchmatch.numba_cache import kernels
from mendpix.inpainting.patchmatch.options import Options
from mendpix.inpainting.patchmatch.patch_features import as_bytes, looks
from mendpix.inpainting.patchmatch.pyramid import (
    NONE,
    Floats,
    Ints,
    Level,
    divide,
    fitting_radius,
    halved,
)
from mendpix.inpainting.patchmatch.seams import spread
from mendpix.inpainting.patchmatch.thread_pool import ThreadPool
from mendpix.types import Hole

_GUIDED_SWEEPS = 4  # searches before the first vote may replace the guide's colours
_GUIDED_THICK = 12.0  # instead of Options.thick: the guide knows what coarser sizes would find
_FAINTEST = np.float32(1e-36)
"""The least trust: some 315 pixels from the rim it would come near the smallest float, and far
within a hole no patch would have a vote."""
_FEWEST_SOURCES = 600  # patches a coarser size must offer; with fewer it pastes what does not fit


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
        crew: ThreadPool,
    ) -> None:
        self.photo, self.hole, self.crew, self.options = photo, hole, crew, options
        self.kernels = kernels()
        self.key, self.sweep = key, 0
        self.guided = guide is not None
        self.levels = self._pyramid(guide)
        crew.plan(self.work())

    def _pyramid(self, guide: Floats | None) -> list[Level]:
        """The levels, finest first, until the hole is thin or few sources are left."""
        o = self.options
        known = ~self.hole
        depth = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, 5).max()
        thick = o.thick if guide is None else _GUIDED_THICK
        count = o.levels or 1 + max(0, int(np.ceil(np.log2(max(1.0, depth / thick)))))
        look = looks(self.photo, known, guide is not None, 1 << (count - 1), o, self.crew)
        mass = known.astype(np.float32)
        voted = self.photo.shape[2] + (2 if o.texture else 0)
        levels = [Level(look, self.hole, fitting_radius(self.hole, o.radius), voted)]
        for _ in range(count - 1):
            look, mass = halved(look, mass, self.crew)
            hole = mass < o.known
            sources = np.count_nonzero(divide(hole, o.radius)[0])
            if sources < _FEWEST_SOURCES or not hole.any():
                break
            levels.append(Level(look, hole, o.radius, voted))
        for level in levels:
            depths = level.depth()[level.centre[:, 0], level.centre[:, 1]]
            level.trust = np.maximum(o.falloff**-depths, _FAINTEST).astype(np.float32)
            if guide is not None:
                level.guide(guide, o.guide_weight)
        return levels

    def work(self) -> float:
        """How much there is to do, in visits to targets."""
        sizes = [len(level.centre) for level in self.levels]
        return sum(self._rounds(n) * (size + 1) for n, size in enumerate(sizes)) + sizes[-1]

    def _rounds(self, number: int) -> int:
        return self.options.last_rounds if number == 0 else self.options.rounds

    def run(self) -> Floats:
        """The missing pixels' colours, ``(m, C)``, in the order of ``hole.nonzero()``."""
        coarsest = self.levels[-1]
        if self.guided:
            self.follow(coarsest)
        else:
            self.peel(coarsest)
        for number in reversed(range(len(self.levels))):
            level = self.levels[number]
            if level is not coarsest:
                self.descend(self.levels[number + 1], level)
            self.settle(level, number)
        return self.finish(self.levels[0])

    def settle(self, level: Level, number: int) -> None:
        """Search and vote by turns."""
        rounds = self._rounds(number)
        for turn in range(rounds):
            last = number == 0 and turn == rounds - 1
            self.search(level, number)
            self.vote(level, self.options.last_sharpness if last else self.options.sharpness)
            self.crew.report(len(level.centre))

    def search(self, level: Level, number: int) -> None:
        """Look for better matches: far and wide first, then among the neighbours' only."""
        far = number == len(self.levels) - 1 or number >= 2
        reach = max(level.hole.shape) if far else self.options.fine_reach
        for turn in range(self.options.sweeps):
            first = turn == 0
            users = level.users()
            for colour in level.colours:
                self.sweep_(
                    level,
                    colour,
                    users,
                    rescore=first,
                    jump=3 if first else 0,
                    reach=reach if first else 4,
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
        """One pass over the targets in ``order``, all of one chessboard colour.

        ``ready`` marks pixels to compare by, where not all are filled yet.
        """
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

    def vote(self, level: Level, sharpness: float, order: Ints | None = None) -> None:
        """Let the patches set the missing pixels, or those in ``order``."""
        self.crew.each(
            everyone(level.pixels) if order is None else order,
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
                np.empty(level.voted, np.float32),
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

    def follow(self, level: Level) -> None:
        """Start the coarsest level from the guide instead of the rim."""
        level.paint_guide()
        self._adopt(level, np.ones(len(level.centre), np.bool_))
        users = np.empty((0, 0), np.int32)
        for _ in range(_GUIDED_SWEEPS):
            for colour in level.colours:
                self.sweep_(
                    level,
                    colour,
                    users,
                    rescore=True,
                    jump=3,
                    reach=max(level.hole.shape),
                    tries=self.options.peel_tries,
                )
        self.crew.report(len(level.centre))

    def descend(self, coarse: Level, level: Level) -> None:
        """Start a level from the matches of the coarser one."""
        self.crew.each(
            everyone(level.centre),
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
            places = np.flatnonzero(level.source)
            self.sweep += 1
            rng = np.random.default_rng([self.key, self.sweep])
            drawn = places[rng.integers(len(places), size=count)]
            level.match[lost] = np.stack(np.divmod(drawn, level.source.shape[1]), axis=1)
            level.cost[lost] = NONE - 1

    def finish(self, level: Level) -> Floats:
        """Each missing pixel's colour, copied from one place, brightness evened out."""
        origin = np.empty((len(level.pixels), 2), np.int32)
        size = (2 * level.radius + 1) ** 2
        self.crew.each(
            everyone(level.pixels),
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
                np.empty((size, 2), np.int64),
                np.empty(size, np.float32),
            ),
        )
        copied: Floats = self.photo[origin[:, 0], origin[:, 1]]
        if self.options.seam <= 0:
            return copied
        rows, columns = level.pixels.T
        voted = level.look[rows, columns, : copied.shape[1]].astype(np.float32)
        step = (voted - as_bytes(copied, 1.0)) / np.float32(255)
        evened = copied + spread(step, level, self.options.seam)
        return np.asarray(np.clip(evened, *self._known_range()), dtype=np.float32)

    def _known_range(self) -> tuple[Floats, Floats]:
        """The least and the largest known value of each channel, ``(C,)`` each, in [0, 1]."""
        known = ~self.hole
        planes = [self.photo[..., index] for index in range(self.photo.shape[2])]
        low = [plane.min(where=known, initial=1) for plane in planes]
        high = [plane.max(where=known, initial=0) for plane in planes]
        return np.clip(low, 0, 1, dtype=np.float32), np.clip(high, 0, 1, dtype=np.float32)


def everyone(rows: Ints) -> Ints:
    return np.arange(len(rows), dtype=np.int32)
