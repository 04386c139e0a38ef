"""The default filler: PatchMatch's fill, refined by a network, at the scale that suits the hole.

Each part of the hole is filled in a window of its own. Where it is deep, structure is settled on a
smaller picture of the window, and the full picture is then rebuilt by PatchMatch from pieces of
itself, guided by the smaller one: a network sees the whole hole, and a fill of any size is as sharp
as its surroundings. Without a network PatchMatch works alone.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from mendpix.errors import MendError
from mendpix.inpainting.hybrid import grain, ranking, tiling
from mendpix.inpainting.hybrid.region import Region, Steps, levelled, portion
from mendpix.inpainting.hybrid.tiling import Refine
from mendpix.inpainting.patchmatch import Options, PatchMatch, shares
from mendpix.inpainting.windows import Window
from mendpix.types import Hole, Photo, Progress
from mendpix.weights import cards

Quality = Literal["fast", "best"]

NEAR = 96
"""Pixels around what the network went over in which grain is measured."""
MEASURED = 2_000_000
"""Pixels in which it is measured at most; of more, four pieces are taken."""
PIECES = 6
"""Pieces of a window that the network goes over in a fast fill: those with most missing pixels."""
BRISK = Options(rounds=4, last_rounds=2)
"""PatchMatch's part in a hole that is ``LARGE``: two thirds of the time."""
LARGE = 200_000
"""Missing pixels of a window from which on PatchMatch, followed by a network, tries less hard."""
REBUILT = Options(rounds=3, last_rounds=1)
"""PatchMatch's part where it follows a guide, which has settled what further rounds would."""
DEEP, DEPTH = 256, 64
"""A hole this many pixels from rim to middle is settled first where it is only ``DEPTH`` deep."""


@dataclass(frozen=True, slots=True)
class FillVariant:
    """One way to fill a window.

    Attributes:
        radius: of PatchMatch's patches.
        seed: added to the filler's own.
        flip: do all this on the mirrored window.
    """

    radius: int = 2
    seed: int = 0
    flip: bool = False


VARIANTS: dict[str, FillVariant] = {
    "fast": FillVariant(),
    "mirrored": FillVariant(seed=1, flip=True),
    "middle patches": FillVariant(radius=3),
    "large patches": FillVariant(radius=4),
}
"""What ``best`` chooses from. PatchMatch guided by the network's fill at its own size, and
PatchMatch alone, were tried too and made the choice worse (docs/filling.md)."""


def regrained(filled: Photo, view: Region, pieces: list[Window], seed: int) -> None:
    """Restore the grain in the pieces that a network has gone over; ``filled`` is changed.

    It is measured around all of them, or in the first few where that is much.
    """
    known = ~view.hole & ~view.unusable
    box = tiling.bounds(pieces).grow(NEAR, view.hole.shape)
    if box.area <= MEASURED:
        found = grain.measure(filled[box.slices], known[box.slices])
    else:
        parts = [piece.slices for piece in pieces if piece.width == pieces[0].width][:4]
        found = grain.measure(
            np.concatenate([filled[part] for part in parts]),
            np.concatenate([known[part] for part in parts]),
        )
    if found is None:
        return
    done = ~view.hole
    for index, piece in enumerate(pieces):
        left = ~done[piece.slices]
        if left.any():
            grown = grain.add(filled[piece.slices], left, found, seed * 1009 + index)
            filled[piece.slices][left] = grown[left]
            done[piece.slices] = True


def bundled(threads: int | None = None) -> Refine | None:
    """The network in this package, ready to refine on the CPU; None where it is not there."""
    return awaited(lambda: exported(threads)) if _path().is_file() else None


def _path() -> Path:
    return cards.BUNDLED / "mender.onnx"


def awaited(opens: Callable[[], Refine]) -> Refine:
    """What ``opens`` gives, opened in a thread of its own: while the picture is read and
    PatchMatch begins.
    """
    pool = ThreadPoolExecutor(1, "mender")
    opened = pool.submit(opens)
    pool.shutdown(wait=False)
    return lambda photo, hole, progress: opened.result()(photo, hole, progress)


def exported(threads: int | None = None) -> Refine:
    """The network in this package by ONNX Runtime, on the CPU."""
    from mendpix.inpainting.onnx.filler import (
        OnnxFiller,  # here: ONNX Runtime takes a while to import
    )

    return OnnxFiller(_path(), threads=threads).refine


def tries(ways: list[FillVariant], count: int) -> list[FillVariant]:
    """``count`` ways: those there are, then the same with other seeds."""
    return [
        replace(
            ways[index % len(ways)], seed=ways[index % len(ways)].seed + 10 * (index // len(ways))
        )
        for index in range(count)
    ]


class HybridFiller:
    """Fill holes of any size with texture from the picture, mended by a network.

    Args:
        refine: the network, called with a photo whose hole PatchMatch has filled; "bundled":
            the one in this package, where it is there; None: PatchMatch alone.
        quality: "fast", or "best": several ways to fill each window, of which the one is taken
            that :mod:`mendpix.inpainting.hybrid.ranking` likes best.
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
        count = 1 if self.quality == "fast" else len(VARIANTS)
        return next(self._filled(photo, hole, count, 1, progress))

    def candidates(
        self, photo: Photo, hole: Hole, count: int, progress: Progress | None = None
    ) -> Iterator[Photo]:
        """``count`` different fills, the most likely first."""
        return self._filled(photo, hole, max(count, len(VARIANTS)), count, progress)

    def _filled(
        self, photo: Photo, hole: Hole, tried: int, count: int, progress: Progress | None
    ) -> Iterator[Photo]:
        """The ``count`` likeliest of ``tried`` fills, window by window."""
        if not hole.any():
            yield from (photo.copy() for _ in range(count))
            return
        ranked: list[tuple[Window, list[Photo]]] = []
        base = 0.0
        whole = Region(photo, hole)
        for share, window in shares(hole | whole.unusable, hole):
            told = portion(progress, base, share)
            view = Region(photo[window.slices], np.ascontiguousarray(hole[window.slices]))
            ranked.append((window, self._ranked(view, tried, told)[:count]))
            base += share
        for place in range(count):
            filled = photo.copy()
            for window, fills in ranked:
                inside = hole[window.slices]
                filled[window.slices][inside] = fills[place]
            yield filled

    def _ranked(self, view: Region, tried: int, told: Progress | None) -> list[Photo]:
        """Fills of a window's missing pixels ``(m, C)``, the likeliest first."""
        ways = tries(list(VARIANTS.values()), tried)
        fills = []
        for step, way in enumerate(ways):
            mine = portion(told, step / len(ways), 1 / len(ways))
            fills.append(self._finished(view, way, mine))
        order = ranking.order(fills, view.hole, view.unusable) if len(fills) > 1 else [0]
        return [fills[place][view.hole] for place in order]

    def _finished(self, view: Region, way: FillVariant, told: Progress | None) -> Photo:
        """The window filled in one way, grain and all."""
        filled = self._solved(view.flipped() if way.flip else view, way, told)
        if way.flip:
            filled = np.ascontiguousarray(filled[:, ::-1])
        if self.regrain and self.refine is not None:
            pieces = tiling.fullest(view.hole, self._most)
            regrained(filled, view, pieces, self.seed + way.seed)
        return filled

    @property
    def _most(self) -> int | None:
        return PIECES if self.quality == "fast" else None

    def _solved(self, view: Region, way: FillVariant, told: Progress | None) -> Photo:
        """The window filled, without grain; pixels that are unusable are painted over."""
        small = view.reduced(DEPTH, DEEP)
        steps = Steps(told, 1 + (small is not None) + (self.refine is not None))
        guide = None
        if small is not None:
            guide = levelled(self._solved(small, way, steps.next()), small.hole)
        filled = self._matched(view, way, guide, steps.next())
        filled = tiling.covered(filled, view.unusable)
        if self.refine is None:
            return filled
        return tiling.refined(filled, view.hole, self.refine, steps.next(), self._most)

    def _effort(self, hole: Hole, guided: bool) -> Options:
        if guided:
            return REBUILT
        return BRISK if self.refine is not None and hole.sum() >= LARGE else Options()

    def _matched(
        self, view: Region, way: FillVariant, guide: Photo | None, told: Progress | None
    ) -> Photo:
        """PatchMatch's fill of a window."""
        filler = PatchMatch(
            self.seed + way.seed,
            guide=guide,
            threads=self.threads,
            options=self._effort(view.hole, guide is not None),
            radius=way.radius,
        )
        filled = view.photo.copy()
        filled[view.hole] = filler.missing(view.photo, view.hole, told, whole=True)
        return filled
