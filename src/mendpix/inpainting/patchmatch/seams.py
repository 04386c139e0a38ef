"""Even out the brightness of pieces copied side by side."""

import cv2
import numpy as np

from mendpix.inpainting.patchmatch.pyramid import Floats, Level


def spread(difference: Floats, level: Level, sigma: float) -> Floats:
    """The smooth part of a difference ``(m, C)`` at the missing pixels; zero outside them.

    The vote's mean has no seams but little grain, the copy has both; what the two differ by
    at large scale is the seams' part, which is taken out so that the grain stays.
    """
    rows, columns = level.pixels.T
    smooth = np.empty_like(difference)
    plane = np.zeros(level.hole.shape, np.float32)
    for i in range(difference.shape[1]):
        plane[rows, columns] = difference[:, i]
        smooth[:, i] = cv2.GaussianBlur(plane, (0, 0), sigma)[rows, columns]
    return smooth
