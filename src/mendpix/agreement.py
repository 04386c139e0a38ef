"""What several fills agree on, and a fill that is made to agree with it.

One fill is sharp, but what it put there is one guess among many; the mean of several is nearer to
the truth, but blurred. So the fine part is taken from one, and the broad part from the mean.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix import windows

Photo = NDArray[np.float32]
Hole = NDArray[np.bool_]

BROAD = 2.0
"""Standard deviation in pixels of the blur that parts the broad from the fine."""


def agreed(filled: Photo, hole: Hole, others: Sequence[Photo]) -> Photo:
    """A fill with the broad part of the mean of it and the others; it is changed.

    Args:
        filled: ``(H, W, C)``.
        hole: ``(H, W)``; outside it nothing is looked at or changed.
        others: fills of the same hole, ``(h, w, C)`` of any size.
    """
    total = np.zeros((*hole.shape, filled.shape[2]), np.float32)
    for other in others:
        total[hole] += windows.resize(other, hole.shape)[hole] - filled[hole]
    total /= len(others) + 1
    for index in range(filled.shape[2]):  # the blur fades the change out towards the rim
        step = cv2.GaussianBlur(total[..., index], (0, 0), BROAD)
        filled[..., index][hole] += step[hole]
    np.clip(filled, 0, 1, out=filled, where=hole[..., None])
    return filled
