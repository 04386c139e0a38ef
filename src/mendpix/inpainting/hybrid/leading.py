"""What a generator gives the filler of a region: a first fill, or a guide of PatchMatch.

At a generator's own scale, in pictures near 512 pixels, its fill is the best there is to begin
with. A compact hole of a larger picture it sees too small: it fills a shrunken window, and
PatchMatch rebuilds that from pieces of the picture itself. Thin holes are PatchMatch's alone: what
surrounds them says more than a guide.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from mendpix.inpainting import windows
from mendpix.inpainting.patchmatch.completion import stretch
from mendpix.inpainting.windows import Region, Window
from mendpix.types import Hole, Photo, Progress

Generate = Callable[[Photo, Hole, Progress | None], Photo]

OWN_SCALE = 768
"""Longer side of a picture that a generator fills as it is."""
SIZE = 512
"""Longer side of the shrunken window."""
SMALLEST, CONTEXT = 1024, 3
"""The window's side in pixels at least, and as a multiple of the hole's longer side."""
COMPACT = 32
"""Pixels from rim to middle from which a hole of a larger picture is guided."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A generator's fill ``(h, w, C)`` of a region.

    Attributes:
        final: it is the first fill; otherwise PatchMatch is guided by it.
    """

    photo: Photo
    final: bool


@dataclass(frozen=True)
class Leader:
    """A generator at work on one photo.

    Attributes:
        photo: ``(H, W, C)``, NaN where it is unusable.
        hole: ``(H, W)``, True = missing.
    """

    generate: Generate
    photo: Photo
    hole: Hole
    progress: Progress | None

    def lead(self, window: Window, region: Region) -> Lead | None:
        """What there is for a region, which is the photo's part in the window; None: nothing."""
        if max(self.hole.shape) <= OWN_SCALE:
            if region.sources is not None:  # a generator draws from all that it sees
                return None
            return Lead(self._whole[window.slices], final=True)
        depth = cv2.distanceTransform(region.hole.astype(np.uint8), cv2.DIST_L2, 5).max()
        if depth < COMPACT:
            return None
        place = choose_window(region.hole, window, self.hole.shape)
        small = self._shrink(place)
        if small is None:
            return None
        guide = self.generate(small.photo, small.hole, self._stop)
        inner = Window(
            window.top - place.top, window.left - place.left, window.height, window.width
        )
        return Lead(stretch(guide, (place.height, place.width), inner), final=False)

    @cached_property
    def _whole(self) -> Photo:
        """The whole photo filled."""
        return self.generate(self.photo, self.hole, self._stop)

    def _shrink(self, place: Window) -> Region | None:
        part = place.slices
        hole = np.ascontiguousarray(self.hole[part])
        unusable = ~windows.find_finite(self.photo[part]) & ~hole
        scale = min(1.0, SIZE / max(hole.shape))
        size = max(1, round(place.height * scale)), max(1, round(place.width * scale))
        return Region(self.photo[part], hole, unusable).resize(size)

    def _stop(self, share: float) -> None:
        """Let the work be stopped; a generator's share of it is small."""
        if self.progress is not None:
            self.progress(0.0)


def choose_window(hole: Hole, window: Window, shape: tuple[int, ...]) -> Window:
    """The square, cut off at the photo's border, that a generator sees of a region's hole.

    Args:
        hole: ``(h, w)`` of the region.
        window: where the region lies in the photo.
        shape: of the photo.
    """
    box = windows.bounding_window(hole)
    side = max(SMALLEST, CONTEXT * max(box.height, box.width))
    middle = window.top + box.top + box.height // 2, window.left + box.left + box.width // 2
    size = min(side, shape[0]), min(side, shape[1])
    top, left = (
        min(max(0, centre - length // 2), whole - length)
        for centre, length, whole in zip(middle, size, shape[:2], strict=True)
    )
    return Window(top, left, *size)
