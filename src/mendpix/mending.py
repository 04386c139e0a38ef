"""The default filler: PatchMatch's fill, refined by a network, at the scale that suits the hole.

Each part of the hole is filled in a window of its own. Where it is deep, structure is settled on a
smaller picture of the window, and the full picture is then rebuilt by PatchMatch from pieces of
itself, guided by the smaller one: a network sees the whole hole, and a fill of any size is as sharp
as its surroundings. Without a network PatchMatch works alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix import grain, judging, models, refining, windows
from mendpix.errors import MendError
from mendpix.patchmatch import Options, PatchMatch, shares
from mendpix.refining import Refine
from mendpix.windows import Window

Photo = NDArray[np.float32]
Hole = NDArray[np.bool_]
Progress = Callable[[float], None]
Quality = Literal["fast", "best"]

PIECES = 8
"""Pieces of a window that the network goes over in a fast fill: those with most missing pixels."""
BRISK = Options(rounds=4, last_rounds=2)
"""PatchMatch's part where a network goes over its fill: two thirds of the time."""
DEPTH = 64
"""Pixels from rim to middle that a network mends well; deeper holes are made smaller first."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to fill a window.

    Attributes:
        network: refine PatchMatch's fill.
        guide: weight with which PatchMatch then follows the result; 0 leaves that out.
        radius: of PatchMatch's patches.
        seed: added to the filler's own.
        flip: do all this on the mirrored window.
    """

    network: bool = True
    guide: float = 0.0
    radius: int = 3
    seed: int = 0
    flip: bool = False


FAST = Way()
BEST: dict[str, Way] = {
    "network": FAST,
    "guided": Way(guide=1.0),
    "guided softly": Way(guide=0.5),
    "patchmatch": Way(network=False),
    "flipped": Way(seed=1, flip=True),
}
"""What ``best`` chooses from."""
ALONE: dict[str, Way] = {
    "patchmatch": Way(network=False),
    "another seed": Way(network=False, seed=1),
    "small patches": Way(network=False, radius=2),
    "flipped": Way(network=False, seed=2, flip=True),
}
"""The same without a network."""


@dataclass(slots=True)
class View:
    """A window's picture while it is filled.

    Attributes:
        photo: ``(h, w, C)``; what cannot be used as a source is NaN.
        hole: ``(h, w)``.
        started: PatchMatch's fills by seed and radius, which several ways begin with.
    """

    photo: Photo
    hole: Hole
    started: dict[tuple[int, int], Photo] = field(default_factory=dict)

    @property
    def unusable(self) -> Hole:
        """Known pixels that are NaN, ``(h, w)``."""
        return np.asarray(~np.isfinite(self.photo).all(axis=2) & ~self.hole)

    def flipped(self) -> "View":
        """The mirrored window."""
        return View(
            np.ascontiguousarray(self.photo[:, ::-1]), np.ascontiguousarray(self.hole[:, ::-1])
        )

    def reduced(self, depth: float) -> "View | None":
        """The window so small that its hole is ``depth`` pixels deep; None if it nearly is."""
        if self.hole.all():
            return None
        deepest = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, 5).max()
        if deepest <= 1.5 * depth:
            return None
        size = (round(n * depth / deepest) for n in self.hole.shape)
        height, width = (max(1, n) for n in size)
        known = np.isfinite(self.photo).all(axis=2) & ~self.hole
        masked = np.where(known[..., None], self.photo, np.float32(0))
        mass = windows.resize(known[..., None].astype(np.float32), (height, width))
        small = windows.resize(masked, (height, width)) / np.maximum(mass, 1e-6)
        small = np.clip(small, 0, 1)
        hole = windows.resize_hole(self.hole, (height, width))
        small[(mass[..., 0] < 0.5) & ~hole] = np.nan
        return View(np.asarray(small, np.float32), hole)


class Steps:
    """Equal parts of a work, told one after the other."""

    def __init__(self, progress: Progress | None, count: int) -> None:
        self.progress, self.count, self.begun = progress, count, 0

    def next(self) -> Progress | None:
        """What the next part tells its own share to."""
        self.begun += 1
        return portion(self.progress, (self.begun - 1) / self.count, 1 / self.count)


def portion(progress: Progress | None, base: float, share: float) -> Progress | None:
    """What a part that is ``share`` of a work and begins at ``base`` tells its progress to."""
    return None if progress is None else lambda done: progress(base + share * done)


def bundled(threads: int | None = None) -> Refine | None:
    """The network in this package, ready to refine; None where it is not there."""
    path = models.BUNDLED / "mender.onnx"
    if not path.is_file():
        return None
    from mendpix.runtime import OnnxFiller  # here: ONNX Runtime takes a while to import

    return OnnxFiller(path, threads=threads).refine


def tries(ways: list[Way], count: int) -> list[Way]:
    """``count`` ways: those there are, then the same with other seeds."""
    return [
        replace(
            ways[index % len(ways)], seed=ways[index % len(ways)].seed + 10 * (index // len(ways))
        )
        for index in range(count)
    ]


class Mender:
    """Fill holes of any size with texture from the picture, mended by a network.

    Args:
        refine: the network, called with a photo whose hole PatchMatch has filled; "bundled":
            the one in this package, where it is there; None: PatchMatch alone.
        quality: "fast", or "best": several ways to fill each window, of which the one is taken
            that :mod:`mendpix.judging` likes best.
        seed: of PatchMatch and of the grain; the same seed gives the same bytes.
        threads: of PatchMatch; None: one per processor.
        regrain: restore the grain of the surroundings in the fill.

    Raises:
        MendError: another quality.
    """

    channels: ClassVar[Literal["any"]] = "any"
    skips_nan: ClassVar[bool] = True

    def __init__(
        self,
        refine: Refine | Literal["bundled"] | None = "bundled",
        quality: Quality = "fast",
        seed: int = 0,
        threads: int | None = None,
        regrain: bool = True,
    ) -> None:
        if quality not in ("fast", "best"):
            raise MendError(f"quality is {quality!r} but must be 'fast' or 'best'")
        self.refine = bundled(threads) if refine == "bundled" else refine
        self.quality, self.seed = quality, seed
        self.threads, self.regrain = threads, regrain

    def prepare(self) -> None:
        """Load PatchMatch's loops now, compiling them where no cache holds them."""
        PatchMatch().prepare()

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """The photo ``(H, W, C)`` float32 with its hole ``(H, W)`` filled, others as they were.

        Raises:
            MaskError: nothing is known that could be a source.
            Cancelled: if ``progress`` raised it.
        """
        count = 1 if self.quality == "fast" else len(self.ways)
        return next(self._filled(photo, hole, count, 1, progress))

    def candidates(
        self, photo: Photo, hole: Hole, count: int, progress: Progress | None = None
    ) -> Iterator[Photo]:
        """``count`` different fills, the most likely first."""
        return self._filled(photo, hole, max(count, len(self.ways)), count, progress)

    @property
    def ways(self) -> list[Way]:
        """What ``best`` tries in every window."""
        return list((ALONE if self.refine is None else BEST).values())

    def _filled(
        self, photo: Photo, hole: Hole, tried: int, count: int, progress: Progress | None
    ) -> Iterator[Photo]:
        """The ``count`` likeliest of ``tried`` fills, window by window."""
        if not hole.any():
            yield from (photo.copy() for _ in range(count))
            return
        ranked: list[tuple[Window, list[Photo]]] = []
        base = 0.0
        missing = hole | ~np.isfinite(photo).all(axis=2)
        for share, window in shares(missing, hole):
            told = portion(progress, base, share)
            view = View(photo[window.slices], np.ascontiguousarray(hole[window.slices]))
            ranked.append((window, self._ranked(view, tried, told)[:count]))
            base += share
        for place in range(count):
            filled = photo.copy()
            for window, fills in ranked:
                inside = hole[window.slices]
                filled[window.slices][inside] = fills[place]
            yield filled

    def _ranked(self, view: View, tried: int, told: Progress | None) -> list[Photo]:
        """Fills of a window's missing pixels ``(m, C)``, the likeliest first."""
        ways = tries(self.ways, tried)
        fills = []
        for step, way in enumerate(ways):
            mine = portion(told, step / len(ways), 1 / len(ways))
            fills.append(self._finished(view, way, mine))
        order = judging.order(fills, view.hole, view.unusable) if len(fills) > 1 else [0]
        return [fills[place][view.hole] for place in order]

    def _finished(self, view: View, way: Way, told: Progress | None) -> Photo:
        """The window filled in one way, grain and all."""
        filled = self._solved(view.flipped() if way.flip else view, way, told)
        if way.flip:
            filled = filled[:, ::-1]
        usable = refining.covered(filled, view.unusable)
        if not self.regrain:
            return usable
        known = ~view.hole & ~view.unusable
        return grain.restore(usable, view.hole, self.seed + way.seed, known)

    def _solved(self, view: View, way: Way, told: Progress | None) -> Photo:
        small = view.reduced(DEPTH)
        steps = Steps(told, 1 + (small is not None) + (self.refine is not None) + bool(way.guide))
        guide = None if small is None else self._solved(small, way, steps.next())
        filled = self._matched(view, way, guide, 1.0, steps.next())
        if way.network and self.refine is not None:
            usable = refining.covered(filled, view.unusable)
            most = PIECES if self.quality == "fast" else None
            filled = refining.refined(usable, view.hole, self.refine, steps.next(), most)
            if way.guide and guide is None:
                filled = self._matched(view, way, filled, way.guide, steps.next())
        return filled

    def _matched(
        self, view: View, way: Way, guide: Photo | None, weight: float, told: Progress | None
    ) -> Photo:
        """PatchMatch's fill of a window, kept where several ways begin with it."""
        key = way.seed, way.radius
        if guide is None and key in view.started:
            return view.started[key]
        filler = PatchMatch(
            self.seed + way.seed,
            guide=guide,
            threads=self.threads,
            options=Options() if self.refine is None else BRISK,
            radius=way.radius,
            guide_weight=weight,
        )
        filled = filler(view.photo, view.hole, told)
        if guide is None:
            view.started[key] = filled
        return filled
