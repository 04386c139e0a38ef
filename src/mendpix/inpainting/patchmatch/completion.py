"""Fill one window: coarse to fine, search for matching patches, let them vote, repeat."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.inpainting.patchmatch.numba_cache import kernels
from mendpix.inpainting.patchmatch.options import Options
from mendpix.inpainting.patchmatch.pyramid import (
    NONE,
    Floats,
    Ints,
    Level,
    as_bytes,
    build_pyramid,
)
from mendpix.inpainting.patchmatch.thread_pool import ThreadPool
from mendpix.inpainting.windows import Window
from mendpix.types import Hole, Progress, processors

_GUIDED_SWEEPS = 4  # searches before the first vote may replace the guide's colours
_NO_USERS = np.empty((0, 0), np.int32)  # while matches are still random, enrichment finds nothing


def complete(
    photo: Floats,
    gap: Hole,
    guide: Floats | None = None,
    seed: int = 0,
    options: Options | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    sources: Hole | None = None,
) -> Floats:
    """Fill a gap in one piece, without checks.

    Args:
        photo: ``(H, W, C)`` float32, finite outside the gap.
        gap: ``(H, W)``, True = missing or not finite; at least one pixel is neither.
        guide: a fill to start from and stay near, ``(h, w, C)`` float32 in [0,1], stretched over
            the photo.
        seed: of the random search.
        threads: how many to use; None means one per processor.
        progress: called with the share done at least twice a second; what it raises stops it.
        sources: None, or ``(H, W)``, True = may be copied from; holds a patch at least.

    Returns: ``(m, C)``, the gap's values in the order of ``gap.nonzero()``.
    """
    options = options or Options()
    with ThreadPool(threads or processors(), progress) as pool:
        # the stretched guide is large and needed for the pyramid only, so no name holds it
        return Completion(photo, gap, fit(guide, gap), seed, options, pool, sources).run()


def fit(guide: Floats | None, gap: Hole) -> Floats | None:
    """The guide, stretched over an array ``(H, W)`` where it is of another size."""
    if guide is None or guide.shape[:2] == gap.shape:
        return guide
    return stretch(guide, gap.shape, Window(0, 0, *gap.shape))


def stretch(guide: Floats, shape: tuple[int, ...], window: Window) -> Floats:
    """The part of a guide over a window, once the guide is stretched over an array's shape."""
    # Pixels' centres map to centres, so half a pixel goes in and out: x' = (x + 0.5) * scale - 0.5
    down, across = (guide.shape[i] / shape[i] for i in (0, 1))
    warp = np.array(
        [
            [across, 0, (window.left + 0.5) * across - 0.5],
            [0, down, (window.top + 0.5) * down - 0.5],
        ]
    )
    planes = [
        cv2.warpAffine(
            np.ascontiguousarray(guide[..., i]),
            warp,
            (window.width, window.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for i in range(guide.shape[2])
    ]
    return np.stack(planes, axis=-1).astype(np.float32)


class Completion:
    """One window being filled.

    Args:
        photo: ``(H, W, C)`` float32.
        hole: ``(H, W)``, True = missing; at least one pixel is known and finite.
        guide: None, or ``(H, W, C)``: what to stay near.
        key: of the random numbers.
        sources: None, or ``(H, W)``, True = may be copied from.
    """

    def __init__(
        self,
        photo: Floats,
        hole: Hole,
        guide: Floats | None,
        key: int,
        options: Options,
        pool: ThreadPool,
        sources: Hole | None = None,
    ) -> None:
        self.photo, self.hole, self.pool, self.options = photo, hole, pool, options
        self.kernels = kernels()
        self.key, self.draws = key, 0
        self.levels = build_pyramid(photo, hole, guide, options, pool, sources)
        # The finest size costs most by far, and starts from the matches of the one before: a few
        # rounds polish it, while the coarser ones, which settle the structure, get more.
        coarser = [options.rounds] * (len(self.levels) - 1)
        self.rounds = [options.last_rounds, *coarser]
        sizes = [len(level.centre) for level in self.levels]
        work = sum(n * (size + 1) for n, size in zip(self.rounds, sizes, strict=True))
        pool.total = work + sizes[-1]  # the last for the start at the coarsest size

    def run(self) -> Floats:
        """The missing pixels' colours, ``(m, C)``, in the order of ``hole.nonzero()``."""
        coarsest = self.levels[-1]
        if coarsest.guide is None:
            self._peel(coarsest)
        else:
            self._follow_guide(coarsest, coarsest.guide)
        for number in reversed(range(len(self.levels))):
            level = self.levels[number]
            if level is not coarsest:
                self._descend(self.levels[number + 1], level)
            for turn in range(self.rounds[number]):
                last = number == 0 and turn == self.rounds[0] - 1
                self.search(level, number)
                # A soft vote lets many patches agree on the structure; the last one is sharper,
                # so that only the best matches remain and the result is not blurred.
                self._vote(
                    level,
                    self.options.last_sharpness if last else self.options.sharpness,
                )
                self.pool.report(len(level.centre))
        return self._copy(self.levels[0])

    def search(self, level: Level, number: int) -> None:
        """Look for better matches: far and wide first, then among the neighbours' only."""
        # At coarse sizes a random search over the whole picture is cheap and finds the structure;
        # at the two finest, matches come from the size before and move by a few pixels only.
        far = number == len(self.levels) - 1 or number >= 2
        reach = max(level.hole.shape) if far else self.options.fine_reach
        for turn in range(self.options.sweeps):
            first = turn == 0
            users = level.users()
            jump, radius = (3, reach) if first else (0, 4)
            # White squares, then black: each looks at the other's matches, which stay as they
            # are meanwhile, so the order within a colour does not matter. Votes have changed the
            # pixels since the last search, so costs are computed anew once.
            for order in level.chessboard:
                self._sweep(level, order, users, first, jump, radius, 1, None)

    def _sweep(
        self,
        level: Level,
        order: Ints,
        users: Ints,
        rescore: bool,
        jump: int,
        reach: int,
        tries: int,
        ready: Hole | None,
    ) -> None:
        """One pass over the targets in ``order``, all of one chessboard colour.

        Args:
            users: as :meth:`Level.users`, or empty: no enrichment.
            rescore: compute the costs of the present matches anew.
            jump: distance of the further neighbours to propagate from; 0: of none.
            reach: the largest radius of random search.
            tries: random draws at each radius.
            ready: pixels to compare by, where not all are filled yet.
        """
        self.draws += 1
        seed = (self.key * 1000003 + self.draws) & 0xFFFFFFFFFFFFFFFF
        seed = (seed * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF  # spreads neighbouring seeds
        self.pool.share(
            self.kernels.search,
            order,
            level.features.reshape(-1),
            level.hole if ready is None else ready,
            ready is not None,
            level.features.shape[2],
            level.radius,
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
            np.uint64(seed),
        )

    def _vote(self, level: Level, sharpness: float, order: Ints | None = None) -> None:
        """Let the patches set the missing pixels, or those in ``order``."""
        self.pool.share(
            self.kernels.vote,
            np.arange(len(level.pixels), dtype=np.int32) if order is None else order,
            level.features.reshape(-1),
            level.features.shape[2],
            level.voted,
            level.radius,
            level.pixels,
            level.index,
            level.centre,
            level.match,
            level.cost,
            level.trust,
            np.float32(sharpness),
            scratch=(np.empty(level.voted, np.float32),),
        )

    def _peel(self, level: Level) -> None:
        """Fill the coarsest level from the rim inwards (Newson et al. 2014, sec. 3.5)."""
        ready = ~level.hole
        target_ring = np.ceil(level.measure_depth(level.centre))
        pixel_ring = np.ceil(level.measure_depth(level.pixels))
        size = max(level.hole.shape)
        for layer in range(int(pixel_ring.max()) + 1):
            here = target_ring == layer
            # Three passes: random draws first, then two in which good matches spread.
            for turn in range(3):
                tries = 2 if turn else self.options.peel_tries
                for order in level.chessboard:
                    ring = order[here[order]]
                    self._sweep(level, ring, _NO_USERS, turn > 0, 3, size, tries, ready)
            self._draw_matches(level, here & (level.match[:, 0] < 0))
            now = np.flatnonzero(pixel_ring == layer).astype(np.int32)
            self._vote(level, self.options.sharpness, now)
            ready[level.pixels[now, 0], level.pixels[now, 1]] = True
            self.pool.report(float(here.sum()))

    def _follow_guide(self, level: Level, guide: NDArray[np.uint8]) -> None:
        """Start the coarsest level from the guide instead of the rim."""
        self._draw_matches(level, np.ones(len(level.centre), np.bool_))
        size, tries = max(level.hole.shape), self.options.peel_tries
        features = level.features
        # The guide alone says what to look for: the hole's texture is not known yet, and nought,
        # which stands there, would find the smoothest places of the picture.
        level.features = guide
        for _ in range(_GUIDED_SWEEPS):
            for order in level.chessboard:
                self._sweep(level, order, _NO_USERS, True, 3, size, tries, None)
        level.features = features
        self._vote(level, self.options.sharpness)
        level.features[level.hole, : guide.shape[2]] = guide[level.hole]
        self.pool.report(len(level.centre))

    def _descend(self, coarse: Level, level: Level) -> None:
        """Start a level from the matches of the coarser one."""
        self.pool.share(
            self.kernels.inherit,
            np.arange(len(level.centre), dtype=np.int32),
            level.index,
            level.centre,
            level.match,
            level.cost,
            level.source,
            coarse.index,
            coarse.match,
            coarse.cost,
        )
        self._draw_matches(level, level.match[:, 0] < 0)
        self._vote(level, self.options.sharpness)

    def _draw_matches(self, level: Level, lost: Hole) -> None:
        """Give targets that found no match any source."""
        count = int(np.count_nonzero(lost))
        if count:
            places = np.flatnonzero(level.source)
            self.draws += 1
            rng = np.random.default_rng([self.key, self.draws])
            drawn = places[rng.integers(len(places), size=count)]
            level.match[lost] = np.stack(np.divmod(drawn, level.source.shape[1]), axis=1)
            level.cost[lost] = NONE - 1  # the worst there is, but a match that may vote

    def _copy(self, level: Level) -> Floats:
        """Each missing pixel's colour, copied from one place, brightness evened out."""
        origin = np.empty((len(level.pixels), 2), np.int32)
        size = (2 * level.radius + 1) ** 2
        self.pool.share(
            self.kernels.elect,
            np.arange(len(level.pixels), dtype=np.int32),
            level.radius,
            level.pixels,
            level.index,
            level.centre,
            level.match,
            level.cost,
            level.trust,
            np.float32(self.options.last_sharpness),
            origin,
            scratch=(np.empty((size, 2), np.int64), np.empty(size, np.float32)),
        )
        copied: Floats = self.photo[origin[:, 0], origin[:, 1]]
        if self.options.seam <= 0:
            return copied
        # The vote's mean has no seams but little grain, the copy has both; what the two differ by
        # at large scale is the seams' part, which is taken out so that the grain stays.
        rows, columns = level.pixels.T
        voted = level.features[rows, columns, : copied.shape[1]].astype(np.float32)
        step = (voted - as_bytes(copied, 1.0)) / np.float32(255)
        plane = np.zeros(level.hole.shape, np.float32)  # zero outside the hole: no step there
        known = ~self.hole
        for i in range(copied.shape[1]):
            plane[rows, columns] = step[:, i]
            smooth = cv2.GaussianBlur(plane, (0, 0), self.options.seam)[rows, columns]
            # No value that the picture does not know: flat skies stay as bright as they were.
            low = self.photo[..., i].min(where=known, initial=1)
            high = self.photo[..., i].max(where=known, initial=0)
            copied[:, i] = np.clip(copied[:, i] + smooth, max(low, 0), min(high, 1))
        return copied
