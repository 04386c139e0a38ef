"""The soft rim of a mask: grey levels around what is white, from antialiasing or a soft brush."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.types import Hole

Values = NDArray[np.float32]

FAINT = 16 / 255
"""How far from black a level may be and still be noise, as JPEG leaves it around edges."""


def add_rim(levels: Values, core: Hole, noise: bool = True) -> Hole:
    """The core and the pixels connected to it whose level is above that of the background.

    Args:
        levels: ``(H, W)`` in [0, 1], how much of each pixel is marked.
        core: ``(H, W)``, what is marked by half and more.
        noise: faint levels may be those of a lossy format, which are no rim.
    """
    outer = levels[~core]
    if not core.any() or not outer.any():
        return core
    soft = (levels > _find_floor(outer, noise)) | core
    _, labels = cv2.connectedComponents(soft.astype(np.uint8), connectivity=8)
    keep = np.zeros(int(labels.max()) + 1, bool)
    keep[labels[core]] = True
    return np.asarray(keep[labels])


def count_apart(levels: Values, hole: Hole) -> int:
    """How many pixels outside the hole are clearly marked more than the background is."""
    outer = levels[~hole]
    clear = outer > np.percentile(outer, 10) + FAINT if outer.size else outer
    return int(np.count_nonzero(clear))


def _find_floor(outer: Values, noise: bool) -> float:
    """The level up to which pixels outside the core are background.

    A background that is grey all over is no rim, hence the 10th percentile. A ramp has about as
    many faint levels as others (a Gaussian's 0.7 times as many); a lossy format leaves far more.
    """
    ground = float(np.percentile(outer, 10))
    above = outer - np.float32(ground)
    faint = np.count_nonzero((above > 0) & (above <= FAINT))
    lossy = noise and faint > 2 * np.count_nonzero(above > FAINT)
    return ground + FAINT if lossy or ground > 0 else 0.0
