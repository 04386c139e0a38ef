"""The training-free filler: coarse-to-fine PatchMatch completion with voting patches.

Importing this module imports neither Numba nor the compiled loops; the first fill does, or
``PatchMatch.prepare``. ``compiled()`` says cheaply whether they lie in a cache already; compiling
them takes seconds, and the logger "mendpix.inpainting.patchmatch" tells how many.
"""

from dataclasses import replace
from typing import Any, ClassVar, Literal

import cv2
import numpy as np

from mendpix.errors import MaskError
from mendpix.inpainting import windows
from mendpix.inpainting.patchmatch import numba_cache
from mendpix.inpainting.patchmatch.numba_cache import compiled
from mendpix.inpainting.patchmatch.options import Options
from mendpix.inpainting.patchmatch.thread_pool import ThreadPool, processors
from mendpix.types import Hole, Photo, Progress

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

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """The photo with its hole filled.

        Args:
            photo: ``(H, W, C)`` float32, known values in [0,1], any number of channels. Pixels
                that are not finite are never copied from, and stay as they are outside the hole.
            hole: ``(H, W)``, True = missing. What lies under it is never looked at.
            progress: called with the share done at least twice a second.

        Returns: a new array; known pixels are copied as they are.

        Raises:
            MaskError: everything is missing, or no known pixel is finite.
            Cancelled: if ``progress`` raised it.
        """
        filled = photo.copy()
        if hole.any():
            filled[hole] = self.missing(photo, hole, progress)
        return filled

    def missing(
        self, photo: Photo, hole: Hole, progress: Progress | None = None, whole: bool = False
    ) -> Photo:
        """Only the values ``(m, C)`` of the missing pixels, in the order of ``hole.nonzero()``.

        Args:
            whole: fill in one piece, instead of in windows around the hole's parts.

        Raises what a call raises.
        """
        gap = hole | ~windows.finite(photo)
        if gap.all():
            raise MaskError(
                f"all {hole.size} pixels are missing: nothing is left to fill from; "
                "leave some of the picture known, or invert the mask with --invert"
            )
        places = np.flatnonzero(hole)
        made = np.empty((len(places), photo.shape[2]), np.float32)
        all_of_it = [(1.0, windows.Window(0, 0, *hole.shape))]
        with ThreadPool(self.threads, progress) as crew:
            for share, window in all_of_it if whole else shares(gap, hole):
                crew.begin(share)
                part = np.ascontiguousarray(gap[window.slices])
                guide = self._guide(photo, window)
                done = self._complete(photo[window.slices], part, guide, crew)
                rows, columns = np.nonzero(hole[window.slices])
                here = (rows + window.top) * hole.shape[1] + columns + window.left
                made[np.searchsorted(places, here)] = done[hole[window.slices][part]]
        return made

    def prepare(self) -> None:
        """Load the compiled loops now, compiling them where no cache holds them."""
        numba_cache.kernels()

    def _complete(self, photo: Photo, gap: Hole, guide: Photo | None, crew: ThreadPool) -> Photo:
        """The colours of the gap's pixels, ``(m, C)``."""
        from mendpix.inpainting.patchmatch.completion import Completion

        return Completion(photo, gap, guide, self.seed, self.options, crew).run()

    def _guide(self, photo: Photo, window: windows.Window) -> Photo | None:
        """The part of the guide that lies over the window, at the photo's scale."""
        if self.guide is None:
            return None
        down, across = (self.guide.shape[i] / photo.shape[i] for i in (0, 1))
        warp = np.array(
            [
                [across, 0, (window.left + 0.5) * across - 0.5],
                [0, down, (window.top + 0.5) * down - 0.5],
            ]
        )
        planes = [
            cv2.warpAffine(
                np.ascontiguousarray(self.guide[..., i]),
                warp,
                (window.width, window.height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for i in range(self.guide.shape[2])
        ]
        return np.stack(planes, axis=-1).astype(np.float32)


def shares(missing: Hole, hole: Hole) -> list[tuple[float, windows.Window]]:
    """Windows to fill, each with the share of the work it is.

    A window without known pixels grows until it has some.
    """
    found = []
    for window in windows.around(hole):
        while missing[window.slices].mean() > 0.9 and window.area < hole.size:
            window = window.grow(max(window.height, window.width), hole.shape)
        found.append(window)
    counts = [np.count_nonzero(hole[window.slices]) for window in found]
    return [(count / sum(counts), window) for count, window in zip(counts, found, strict=True)]
