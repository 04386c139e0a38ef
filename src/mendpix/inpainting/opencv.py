"""The baselines as fillers: OpenCV's Telea and Navier-Stokes, and the mean colour.

Each works on any number of channels, ``(H, W, C)`` float32, and is deterministic.
"""

from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.types import Hole, Photo, Progress

_LOCAL_RADIUS = 20
"""In pixels; windows have a margin of at least 48."""


class Telea:
    """March inwards from the rim, each pixel a weighted mean of its known neighbours.

    Telea 2004, "An Image Inpainting Technique Based on the Fast Marching Method",
    https://doi.org/10.1080/10867651.2004.10487596

    Args:
        radius: neighbourhood in pixels from which a pixel is made.
    """

    channels: ClassVar[Literal["any"]] = "any"
    flag: ClassVar[int] = cv2.INPAINT_TELEA

    def __init__(self, radius: float = 3.0) -> None:
        self.radius = radius

    @property
    def local(self) -> bool:
        """Whether the margin of windows holds all that is looked at: OpenCV's band of known pixels
        around the hole is twice the radius wide."""
        return self.radius <= _LOCAL_RADIUS

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Fill ``photo`` ``(H, W, C)`` where ``hole`` ``(H, W)`` is True.

        A photo of whole 255ths goes through OpenCV's 8-bit colour path, so that the result is
        what OpenCV's users get; any other goes through its 16-bit path, channel by channel.
        """
        where = hole.astype(np.uint8)
        levels = np.rint(photo * 255)
        if photo.shape[2] == 3 and np.array_equal(levels / np.float32(255), photo):
            return self._fill(levels.astype(np.uint8), where) / np.float32(255)
        # OpenCV's float path is not for [0, 1]: its Telea adds half a level for rounding
        deep = np.rint(photo.clip(0, 1) * 65535).astype(np.uint16)
        planes = []
        for index in range(deep.shape[2]):
            planes.append(self._fill(np.ascontiguousarray(deep[..., index]), where))
            if progress is not None:
                progress((index + 1) / deep.shape[2])
        return np.stack(planes, axis=-1) / np.float32(65535)

    def _fill(self, values: NDArray[Any], where: NDArray[np.uint8]) -> Photo:
        return np.asarray(cv2.inpaint(values, where, self.radius, self.flag), dtype=np.float32)


class NavierStokes(Telea):
    """Carry the lines of equal brightness on into the hole.

    Bertalmio, Bertozzi and Sapiro 2001, "Navier-Stokes, Fluid Dynamics, and Image and Video
    Inpainting", https://doi.org/10.1109/CVPR.2001.990497
    """

    flag: ClassVar[int] = cv2.INPAINT_NS


class MeanColour:
    """Fill with the mean colour of the known pixels: the floor that every filler must beat."""

    channels: ClassVar[Literal["any"]] = "any"

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Fill ``photo`` ``(H, W, C)`` where ``hole`` ``(H, W)`` is True."""
        filled = photo.copy()
        filled[hole] = photo[~hole].mean(axis=0, dtype=np.float64)
        return filled
