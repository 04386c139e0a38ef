"""The default filler: PatchMatch's fill, refined by a network, at the scale that suits the hole.

Each part of the hole is filled in a window of its own. Where it is deep, structure is settled on a
smaller picture of the window, and the full picture is then rebuilt by PatchMatch from pieces of
itself, guided by the smaller one: a network sees the whole hole, and a fill of any size is as sharp
as its surroundings. Without a network PatchMatch works alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from mendpix.errors import MendError
from mendpix.inpainting.hybrid import bands, grain, ranking, tiling
from mendpix.inpainting.hybrid.bands import Refine
from mendpix.inpainting.hybrid.generator import (
    GeneratorFile,
    GeneratorNetwork,
    choose_generator,
)
from mendpix.inpainting.hybrid.network import choose_network
from mendpix.inpainting.hybrid.regions import has_sources, split_regions
from mendpix.inpainting.patchmatch import numba_cache
from mendpix.inpainting.patchmatch.completion import complete
from mendpix.inpainting.patchmatch.options import Options
from mendpix.inpainting.windows import Region, Window
from mendpix.types import Hole, Photo, Progress, processors, sub_range

if TYPE_CHECKING:
    from mendpix.inpainting.hybrid.leading import Generate, Lead, Leader

Quality = Literal["fast", "best"]

MAX_TILES = 6
"""Tiles of a window that the network refines in a fast fill: those with most missing pixels."""
BRISK = Options(rounds=4, last_rounds=2)
"""PatchMatch's part in a hole that is ``LARGE``: two thirds of the time."""
LARGE = 200_000
"""Missing pixels of a window from which on PatchMatch, followed by a network, tries less hard."""
GUIDED = Options(rounds=3, last_rounds=1)
"""PatchMatch's part where it follows a guide, which has settled what further rounds would."""
DEEP, DEPTH = 256, 64
"""A hole this many pixels from rim to middle is settled first where it is only ``DEPTH`` deep."""


@dataclass(frozen=True, slots=True)
class FillVariant:
    """One way to fill a window.

    Attributes:
        radius: of PatchMatch's patches.
        seed: added to the filler's own.
        flip: fill the mirrored window.
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


def list_variants(count: int) -> list[FillVariant]:
    """``count`` variants: those there are, then the same with other seeds."""
    variants = list(VARIANTS.values())
    return [
        replace(variant, seed=variant.seed + 10 * (index // len(variants)))
        for index in range(count)
        for variant in [variants[index % len(variants)]]
    ]


class HybridFiller:
    """Fill holes of any size with texture from the picture, refined by a network.

    A photo needs a known, finite pixel; :class:`~mendpix.inpainting.base.CheckedFiller` sees to it.

    Args:
        refine: the network, called with a photo whose hole PatchMatch has filled; "bundled":
            the one in this package, where it is there; None: PatchMatch alone.
        quality: "fast", or "best": several ways to fill each window, of which the one is taken
            that :mod:`mendpix.inpainting.hybrid.ranking` likes best.
        seed: of PatchMatch and of the grain; the same seed gives the same bytes.
        threads: of PatchMatch and of the bundled network; None: one per processor.
        device: of the bundled network, as for :func:`mendpix.load`.
        regrain: restore the grain of the surroundings in the fill.
        generator: a network that fills first, as :mod:`mendpix.inpainting.hybrid.leading` says:
            "auto": the best of the catalogue that has been fetched; "none"; or a name, a weights
            file, an exported network or a run folder.

    Attributes:
        generator: the file that was chosen when this was made; None for none.

    Raises:
        MendError: another quality, or a device that the bundled network cannot run on.
    """

    channels: ClassVar[Literal["any"]] = "any"
    skips_nan: ClassVar[bool] = True
    takes_sources: ClassVar[bool] = True
    local: ClassVar[bool] = True

    def __init__(
        self,
        refine: Refine | Literal["bundled"] | None = "bundled",
        quality: Quality = "fast",
        seed: int = 0,
        threads: int | None = None,
        device: str = "auto",
        regrain: bool = True,
        generator: str | Path | GeneratorFile | None = "auto",
    ) -> None:
        if quality not in ("fast", "best"):
            raise MendError(f"quality is {quality!r} but must be 'fast' or 'best'")
        self.refine = choose_network(device, threads) if refine == "bundled" else refine
        self.quality, self.seed = quality, seed
        self.threads, self.regrain = threads or processors(), regrain
        self.generator = choose_generator(generator)
        self.generate: Generate | None = None
        if self.generator is not None:
            self.generate = GeneratorNetwork(self.generator, device, self.threads)
        self.max_tiles = MAX_TILES if quality == "fast" else None

    def prepare(self) -> None:
        """Load PatchMatch's loops now, compiling them where no cache holds them."""
        numba_cache.kernels()

    def __call__(
        self,
        photo: Photo,
        hole: Hole,
        progress: Progress | None = None,
        sources: Hole | None = None,
    ) -> Photo:
        """The photo ``(H, W, C)`` float32 with its hole ``(H, W)`` filled, others as they were.

        Args:
            sources: ``(H, W)``, True = PatchMatch may copy from; the network sees all.

        Raises:
            Cancelled: if ``progress`` raised it.
        """
        if self.quality == "best":
            return next(self.candidates(photo, hole, 1, progress, sources))
        filled = photo.copy()
        leader = self._lead(photo, hole, progress)
        for window, region, part in split_regions(photo, hole, progress, sources):
            lead = None if leader is None else leader.lead(window, region)
            values = self._fill_region(region, VARIANTS["fast"], part, lead)
            filled[window.slices][region.hole] = values[region.hole]
        return filled

    def candidates(
        self,
        photo: Photo,
        hole: Hole,
        count: int,
        progress: Progress | None = None,
        sources: Hole | None = None,
    ) -> Iterator[Photo]:
        """``count`` different fills, the most likely first: ranked window by window."""
        variants = list_variants(max(count, len(VARIANTS)))
        step = 1 / len(variants)
        ranked: list[tuple[Window, list[Photo]]] = []
        leader = self._lead(photo, hole, progress)
        for window, region, part in split_regions(photo, hole, progress, sources):
            lead = None if leader is None else leader.lead(window, region)
            fills = [
                self._fill_region(region, variant, sub_range(part, index * step, step), lead)
                for index, variant in enumerate(variants)
            ]
            order = ranking.rank(fills, region.hole, region.unusable)[:count]
            ranked.append((window, [fills[place][region.hole] for place in order]))
        for place in range(count):
            filled = photo.copy()
            for window, values in ranked:
                filled[window.slices][hole[window.slices]] = values[place]
            yield filled

    def _fill_region(
        self,
        region: Region,
        variant: FillVariant,
        progress: Progress | None,
        lead: "Lead | None" = None,
    ) -> Photo:
        """Fill a region: PatchMatch or a generator, then the network, coarse to fine; then grain.

        Returns: a new photo; pixels that are unusable are painted over.
        """
        levels, guide = self._plan_levels(region, variant, lead)
        for step, level in enumerate(levels):
            part = sub_range(progress, step / len(levels), 1 / len(levels))
            if lead is not None and lead.final and variant == VARIANTS["fast"]:
                filled = tiling.paint_over(lead.photo.copy(), level.unusable)
            else:
                first = part if self.refine is None else sub_range(part, 0.0, 0.5)
                options = self._choose_effort(level, variant, guide, lead)
                filled = self._copy_texture(level, guide, options, variant, first)
            if self.refine is not None:
                rest = sub_range(part, 0.5, 0.5)
                # a guide may be hazy: PatchMatch rebuilds it from pieces of the picture
                last = level is levels[-1]
                refine = partial(bands.refine_limited, self.refine) if last else self.refine
                filled = tiling.refine_tiles(filled, level.hole, refine, rest, self.max_tiles)
            if level is not levels[-1]:
                guide = tiling.level_rim(filled, level.hole)
        if variant.flip:
            filled = np.ascontiguousarray(filled[:, ::-1])
        if self.regrain and self.refine is not None:
            tiles = tiling.fullest_tiles(region.hole, self.max_tiles)
            known = ~region.hole & ~region.unusable
            grain.restore_in_tiles(filled, region.hole, known, tiles, self.seed + variant.seed)
        return filled

    def _plan_levels(
        self, region: Region, variant: FillVariant, lead: "Lead | None"
    ) -> tuple[list[Region], Photo | None]:
        """The sizes at which a region is filled, coarse to fine, and a guide of the first."""
        levels = [region.flip() if variant.flip else region]
        if lead is not None:
            guide = lead.photo[:, ::-1] if variant.flip else lead.photo
            return levels, None if lead.final else np.ascontiguousarray(guide)
        while (smaller := levels[0].shrink(DEPTH, DEEP)) is not None and has_sources(smaller):
            levels.insert(0, smaller)
        return levels, None

    def _copy_texture(
        self,
        level: Region,
        guide: Photo | None,
        options: Options,
        variant: FillVariant,
        progress: Progress | None,
    ) -> Photo:
        """PatchMatch's fill; pixels that are unusable are painted over."""
        gap = level.hole | level.unusable
        seed = self.seed + variant.seed
        values = complete(
            level.photo, gap, guide, seed, options, self.threads, progress, level.sources
        )
        filled = level.photo.copy()
        filled[level.hole] = values[level.hole[gap]]
        return tiling.paint_over(filled, level.unusable)

    def _choose_effort(
        self, level: Region, variant: FillVariant, guide: Photo | None, lead: "Lead | None"
    ) -> Options:
        """How hard PatchMatch is to try."""
        if guide is not None and lead is None:
            options = GUIDED
        else:
            large = self.refine is not None and level.hole.sum() >= LARGE
            options = BRISK if large else Options()
        return replace(options, radius=variant.radius)

    def _lead(self, photo: Photo, hole: Hole, progress: Progress | None) -> "Leader | None":
        """The generator at work on a photo; None where there is none."""
        if self.generate is None:
            return None
        from mendpix.inpainting.hybrid.leading import Leader

        return Leader(self.generate, photo, hole, progress)
