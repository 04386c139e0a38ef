"""The training-free filler: coarse-to-fine PatchMatch completion with voting patches.

Importing this module imports neither Numba nor the compiled loops; the first fill does, or
``PatchMatch.prepare``. ``compiled()`` says cheaply whether they lie in a cache already; compiling
them takes seconds, and the logger "mendpix.inpainting.patchmatch" tells how many.
"""

from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np

from mendpix.errors import MaskError
from mendpix.inpainting import windows
from mendpix.inpainting.patchmatch import numba_cache
from mendpix.inpainting.patchmatch.completion import complete, stretch
from mendpix.inpainting.patchmatch.numba_cache import compiled
from mendpix.inpainting.patchmatch.options import Options
from mendpix.types import Hole, Photo, Progress, processors, sub_range

__all__ = ["Options", "PatchMatch", "compiled"]


class PatchMatch:
    """Fill holes with what the rest of the picture shows, without any training.

    Patches that touch the hole look for similar ones in the known part of the picture (Barnes
    et al. 2009, https://doi.org/10.1145/1531326.1531330) and vote for what the missing pixels
    show (Wexler et al. 2007, https://doi.org/10.1109/TPAMI.2007.60), from coarse to fine;
    texture features and the start from the rim follow Newson et al. 2014,
    https://arxiv.org/abs/1503.05528. The same seed gives the same bytes for any number of
    threads.

    Args:
        seed: of the random search.
        guide: a fill to start from and stay near, ``(h, w, C)`` float32 in [0,1], of any
            size: it is stretched over the photo.
        threads: how many to use; None means one per processor.
        options: how hard to try.
        changes: single fields of ``options`` by name.
    """

    channels: ClassVar[Literal["any"]] = "any"
    skips_nan: ClassVar[bool] = True
    takes_sources: ClassVar[bool] = True
    local: ClassVar[bool] = True
    options_type: ClassVar[type[Options]] = Options

    def __init__(
        self,
        seed: int = 0,
        guide: Photo | None = None,
        threads: int | None = None,
        options: Options | None = None,
        **changes: Any,
    ) -> None:
        self.seed, self.guide = seed, guide
        self.threads = threads or processors()
        self.options = replace(options or Options(), **changes)

    def __call__(
        self,
        photo: Photo,
        hole: Hole,
        progress: Progress | None = None,
        sources: Hole | None = None,
    ) -> Photo:
        """The photo with its hole filled.

        Args:
            photo: ``(H, W, C)`` float32, known values in [0,1], any number of channels. Pixels
                that are not finite are never copied from, and stay as they are outside the hole.
            hole: ``(H, W)``, True = missing. What lies under it is never looked at.
            progress: called with the share done at least twice a second.
            sources: ``(H, W)``, True = may be copied from; None: all that is known.

        Returns: a new array; known pixels are copied as they are.

        Raises:
            MaskError: everything is missing, no known pixel is finite, or the sources hold no
                patch.
            Cancelled: if ``progress`` raised it.
        """
        filled = photo.copy()
        if hole.any():
            filled[hole] = self.missing(photo, hole, progress, sources=sources)
        return filled

    def missing(
        self,
        photo: Photo,
        hole: Hole,
        progress: Progress | None = None,
        whole: bool = False,
        sources: Hole | None = None,
    ) -> Photo:
        """Only the values ``(m, C)`` of the missing pixels, in the order of ``hole.nonzero()``.

        Args:
            whole: fill in one piece, instead of in windows around the hole's parts.

        Raises what a call raises.
        """
        gap = hole | ~windows.find_finite(photo)
        if gap.all():
            raise MaskError(
                f"all {hole.size} pixels are missing: nothing is left to fill from; "
                "leave some of the picture known, or invert the mask with --invert"
            )
        places = np.flatnonzero(hole)
        output = np.empty((len(places), photo.shape[2]), np.float32)
        start = 0.0
        for share, window in plan_windows(gap, hole, sources, whole):
            part = np.ascontiguousarray(gap[window.slices])
            values = complete(
                photo[window.slices],
                part,
                None if self.guide is None else stretch(self.guide, photo.shape, window),
                self.seed,
                self.options,
                self.threads,
                sub_range(progress, start, share),
                None if sources is None else sources[window.slices],
            )
            start += share
            rows, columns = np.nonzero(hole[window.slices])
            numbers = (rows + window.top) * hole.shape[1] + columns + window.left
            output[np.searchsorted(places, numbers)] = values[hole[window.slices][part]]
        return output

    def prepare(self) -> None:
        """Load the compiled loops now, compiling them where no cache holds them."""
        numba_cache.kernels()


def plan_windows(
    gap: Hole, hole: Hole, sources: Hole | None = None, whole: bool = False
) -> list[tuple[float, windows.Window]]:
    """Windows in which a hole is filled, each with its share of the missing pixels.

    Args:
        gap: ``(H, W)``, the hole and what is unusable.
        sources: ``(H, W)``, True = may be copied from; None: all that is known.
        whole: one window, the whole picture.

    Raises:
        MaskError: the sources hold no patch.
    """
    if sources is not None:
        from mendpix.inpainting.patchmatch import constraints

        constraints.check_sources(gap, sources)
    if whole:
        return [(1.0, windows.Window(0, 0, *hole.shape))]
    if sources is None:
        return windows.plan_windows(gap, hole)
    return constraints.plan_windows(gap, hole, sources)
