"""Metrics of all pictures at once: features kept on disk, and told in the order of names."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mendpix.evaluation.preparing import Pixels
from mendpix.evaluation.results import SetRow, Shot

FEATURES = "features"
"""The folder of features, by convention and the sha256 of the picture's pixels."""

FEWEST = 2048
"""Pictures below which a Frechet distance of 2,048 features says little."""

Features = NDArray[np.float32]


@cache
def conventions(names: tuple[str, ...]) -> tuple[str, ...]:
    """The conventions of features that these metrics need, each network loaded to see that it is
    at hand.

    Raises:
        MendError: its weights are not.
    """
    return ()


def keep_features(folder: Path, names: Sequence[str], pictures: Iterable[Pixels]) -> None:
    """Keep the features of pictures ``(H, W, 3)`` that set metrics need."""


def rows(
    folder: Path,
    names: Sequence[str],
    shots: Sequence[Shot],
    fills: Mapping[str, Mapping[str, str]],
) -> list[SetRow]:
    """What set metrics say of each model, of all pictures and of each bucket."""
    return []
