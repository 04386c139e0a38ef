"""A window while it is filled: its picture, mirrored or smaller, and how far it has come."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from mendpix.inpainting import windows
from mendpix.types import Hole, Photo, Progress

_FADE = 5.0  # pixels over which a step at the rim is spread


@dataclass(slots=True)
class Region:
    """A window's picture while it is filled.

    Attributes:
        photo: ``(h, w, C)``; what cannot be used as a source is NaN.
        hole: ``(h, w)``.
        unusable: ``(h, w)``, known pixels that are NaN.
    """

    photo: Photo
    hole: Hole
    unusable: Hole = field(init=False)

    def __post_init__(self) -> None:
        self.unusable = ~windows.finite(self.photo) & ~self.hole

    def flipped(self) -> "Region":
        """The mirrored window."""
        return Region(
            np.ascontiguousarray(self.photo[:, ::-1]), np.ascontiguousarray(self.hole[:, ::-1])
        )

    def reduced(self, depth: float, deep: float) -> "Region | None":
        """The window with its hole ``depth`` pixels deep.

        None where the hole is not ``deep``, or where no pixel of the smaller picture would be
        known: one is missing as soon as any pixel under it is, so thin known parts vanish.
        """
        if self.hole.all():
            return None
        deepest = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, 5).max()
        if deepest <= deep:
            return None
        scale = depth / float(deepest)
        height, width = (max(1, round(n * scale)) for n in self.hole.shape)
        known = ~self.unusable & ~self.hole
        masked = np.where(known[..., None], self.photo, np.float32(0))
        mass = windows.resize(known[..., None].astype(np.float32), (height, width))
        small = windows.resize(masked, (height, width)) / np.maximum(mass, 1e-6)
        small = np.clip(small, 0, 1)
        hole = windows.resize_hole(self.hole, (height, width))
        unusable = (mass[..., 0] < 0.5) & ~hole
        if (hole | unusable).all():
            return None
        small[unusable] = np.nan
        return Region(np.asarray(small, np.float32), hole)


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


def levelled(photo: Photo, hole: Hole) -> Photo:
    """A filled photo ``(H, W, C)`` whose fill meets its rim at the brightness found there.

    What the colours just outside and just inside differ by is added to the fill, less and less
    towards its middle. So an outline that one small pixel hides does not come back enlarged.
    """
    outside, inside = average(photo, ~hole, 2.0), average(photo, hole, 2.0)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    step = average(outside - inside, hole & (depth <= 1.5), 4.0)
    level = photo.copy()
    level[hole] += (step * np.exp(-depth / _FADE)[..., None])[hole]
    return np.asarray(np.clip(level, 0, 1), np.float32)


def average(values: Photo, where: Hole, width: float) -> Photo:
    """Gaussian means ``(H, W, C)`` over the pixels of ``where`` alone; 0 far from them."""
    weight = where.astype(np.float32)
    share = np.maximum(cv2.GaussianBlur(weight, (0, 0), width), 1e-4)
    planes = (values[..., index] * weight for index in range(values.shape[2]))
    return np.dstack([cv2.GaussianBlur(plane, (0, 0), width) / share for plane in planes])
