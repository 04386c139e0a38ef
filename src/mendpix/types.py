"""The arrays and callbacks that every part of the core passes on."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.float32]
"""``(H, W, C)`` float32, RGB or grey in [0, 1]."""
Hole = NDArray[np.bool_]
"""``(H, W)`` bool, True = missing."""
LARGEST_SEED = 2**31 - 1
"""Of all that draws random numbers, so that every library and program takes it."""
Shape = str | Sequence[float | str | Sequence[float]]
"""Numbers of a box or polygon: ``"30,20,20,10"``, ``"5%,90%,20%,8%"`` or a sequence of them,
or of pairs of them."""
Amount = int | Literal["auto"]
"""Pixels by which a hole grows; "auto": as far as the edge of what it covers reaches."""
Progress = Callable[[float], None]
"""Called with the share done, in [0, 1]; may raise :class:`~mendpix.errors.Cancelled`."""


@dataclass(frozen=True, slots=True)
class ProgressRange:
    """A callback for one part of a work: maps its share in [0, 1] into the whole's.

    Attributes:
        progress: the callback of the whole.
        start: the share of the whole that is done when the part begins.
        share: of the whole that the part is.
    """

    progress: Progress
    start: float
    share: float

    def __call__(self, done: float) -> None:
        self.progress(self.start + self.share * done)


def sub_range(progress: Progress | None, start: float, share: float) -> Progress | None:
    """The callback of a part that is ``share`` of a work and begins at ``start``.

    A range of a range calls the outermost callback itself, so nesting costs no frames.
    """
    if isinstance(progress, ProgressRange):
        start, share = progress.start + progress.share * start, progress.share * share
        progress = progress.progress
    return None if progress is None else ProgressRange(progress, start, share)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
