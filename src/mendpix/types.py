"""The arrays and callbacks that every part of the core passes on."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.float32]
"""``(H, W, C)`` float32, RGB or grey in [0, 1]."""
Hole = NDArray[np.bool_]
"""``(H, W)`` bool, True = missing."""
Progress = Callable[[float], None]
"""Called with the share done, in [0, 1]; may raise :class:`~mendpix.errors.Cancelled`."""
