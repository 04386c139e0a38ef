"""Specks, hairs and scratches of old scans, found without a network.

Placeholder: to follow.
"""
import numpy as np
from numpy.typing import NDArray

from mendpix.picture import Picture


def find(picture: Picture, sensitivity: float = 0.5) -> NDArray[np.bool_]:
    return np.zeros(picture.shape, bool)
