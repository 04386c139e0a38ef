"""Split a photo into the regions that the hybrid filler fills one by one."""

from collections.abc import Iterator

import numpy as np

from mendpix.inpainting import windows
from mendpix.inpainting.patchmatch import plan_windows
from mendpix.inpainting.windows import Region, Window
from mendpix.types import Hole, Photo, Progress, sub_range


def split_regions(
    photo: Photo, hole: Hole, progress: Progress | None, sources: Hole | None = None
) -> Iterator[tuple[Window, Region, Progress | None]]:
    """Each window to fill, the photo's part inside it, and the callback of its part of the work."""
    unusable = ~windows.find_finite(photo) & ~hole
    start = 0.0
    for share, window in plan_windows(hole | unusable, hole, sources):
        part = window.slices
        allowed = None if sources is None else np.ascontiguousarray(sources[part])
        region = Region(photo[part], np.ascontiguousarray(hole[part]), unusable[part], allowed)
        yield window, region, sub_range(progress, start, share)
        start += share


def has_sources(region: Region) -> bool:
    """Whether a region has a patch to copy from."""
    if region.sources is None:
        return True
    from mendpix.inpainting.patchmatch.constraints import find_patches

    return bool(find_patches(region.hole | region.unusable, region.sources).any())
