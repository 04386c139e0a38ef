"""Where patches may be copied from: source maps for every size of the pyramid, and windows."""

import cv2
import numpy as np

from mendpix.errors import MaskError
from mendpix.inpainting import windows
from mendpix.inpainting.patchmatch.pyramid import Level, divide
from mendpix.inpainting.windows import Window
from mendpix.types import Hole

RADIUS = 2
"""Of the smallest patch that the sources must hold: with single pixels nothing can be compared."""
_PLENTY = 20_000  # patches that a window holds at least, if the sources of the picture allow it
_FEWEST = 100  # patches without which a coarser size of the pyramid is left out


def find_patches(gap: Hole, sources: Hole) -> Hole:
    """Centres ``(H, W)`` of the smallest patches that lie wholly in known, allowed pixels."""
    return divide(gap | ~sources, RADIUS)[0]


def check_sources(gap: Hole, sources: Hole) -> None:
    """Refuse sources that hold no patch.

    Raises:
        MaskError: says how many pixels are left.
    """
    if not find_patches(gap, sources).any():
        side, left = 2 * RADIUS + 1, np.count_nonzero(sources & ~gap)
        raise MaskError(
            f"source and exclude leave {left} known pixels, which hold no square of {side}x{side} "
            "to copy from; allow more of the photo"
        )


def plan_windows(gap: Hole, hole: Hole, sources: Hole) -> list[tuple[float, Window]]:
    """As :func:`mendpix.inpainting.windows.plan_windows`, each window with enough sources.

    Sources may lie anywhere: a window grows until it holds as many patches as its hole has pixels,
    and some, or all there are; then what lies neither around the hole nor among sources is cut off.
    """
    patches = find_patches(gap, sources)
    total = int(np.count_nonzero(patches))
    planned = []
    for _, window in windows.plan_windows(gap, hole):
        missing = int(np.count_nonzero(hole[window.slices]))
        wanted = min(total, max(_PLENTY, missing))
        planned.append(_reach_sources(window, patches, wanted))
    merged = windows.merge(planned)
    counts = [np.count_nonzero(hole[window.slices]) for window in merged]
    return [(count / sum(counts), window) for count, window in zip(counts, merged, strict=True)]


def _reach_sources(window: Window, patches: Hole, wanted: int) -> Window:
    """The smallest of growing windows with ``wanted`` patches, cut down to what is needed."""
    grown = window
    while np.count_nonzero(patches[grown.slices]) < wanted:
        grown = grown.grow(max(grown.height, grown.width), patches.shape)
    box = windows.bounding_window(patches[grown.slices])
    box = Window(grown.top + box.top, grown.left + box.left, box.height, box.width)
    return window.union(box.grow(RADIUS, patches.shape))


def restrict(levels: list[Level], sources: Hole) -> list[Level]:
    """Levels, finest first, whose patches match allowed sources only; ``sources`` ``(H, W)``.

    A coarse pixel is allowed where half of what it stands for is. Coarser sizes at which too few
    patches are left are dropped: what is voted there would be made of too little.
    """
    for number, level in enumerate(levels):
        height, width = level.hole.shape
        share = cv2.resize(
            sources.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
        )
        allowed = divide(level.hole | (share < 0.5), level.radius)[0]
        if number and np.count_nonzero(allowed) < _FEWEST:
            return levels[:number]
        level.source = allowed
    return levels
