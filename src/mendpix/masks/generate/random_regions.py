"""Context Encoders' random regions: a smooth random pattern, cut at a level."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.masks.generate.base import Random, Range, draw_within, unit_length
from mendpix.types import Hole


@dataclass(frozen=True, slots=True)
class Regions:
    """Blobs of a coarse random grid, enlarged smoothly (Context Encoders' released training).

    Uniform random numbers on a grid of ``grain`` pixels, enlarged bicubically, are missing where
    they lie below ``density``; crops are drawn until one covers a share within ``area``. The
    release cuts crops of 128 pixels from one pattern of 10,000 a side; here each crop's own piece
    of such a pattern is drawn, which is the same in law.

    Attributes:
        density: level below which a pixel is missing; the missing share of the whole pattern is
            smaller, 0.18, as smoothing draws values to the middle.
        grain: pixels from one number of the grid to the next.
        area: share of the picture that is missing.
    """

    density: float = 0.25
    grain: float = 1 / 0.06
    area: Range = (0.2, 0.3)
    reference: int = 128

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        grain = self.grain * unit_length(height, width, self.reference)
        down, across = _enlargement(height, grain, random), _enlargement(width, grain, random)

        def crop() -> Hole:
            grid = random.random((down.shape[1], across.shape[1]), dtype=np.float32)
            # OpenCV multiplies these in one thread; NumPy may start one per core, each time.
            tall = cv2.gemm(down, grid, 1, None, 0)
            pattern = cv2.gemm(tall, across, 1, None, 0, flags=cv2.GEMM_2_T)
            return np.asarray(pattern < self.density, np.bool_)

        return draw_within(self.area, crop)


def _enlargement(length: int, grain: float, random: Random) -> NDArray[np.float32]:
    """Weights ``(length, grid)`` of bicubic enlargement at a random offset."""
    places = np.arange(length) / grain + random.random()
    first = places.astype(np.intp)
    weights = np.zeros((length, int(first[-1]) + 4), np.float32)
    part = places - first
    for tap in range(4):
        weights[np.arange(length), first + tap] = _cubic(part + 1 - tap)
    return weights


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic kernel of bicubic enlargement, with a = -0.75 as most libraries have it."""
    d, a = np.abs(distance), -0.75
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d < 1, near, far)
