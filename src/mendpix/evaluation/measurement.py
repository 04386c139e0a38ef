"""Pictures as tensors, and metrics told of them: the one place here that needs torch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import torch

from mendpix import metrics
from mendpix.evaluation.metric_table import METRICS
from mendpix.evaluation.preparation import Pixels
from mendpix.types import Hole

Values = dict[str, float]


@cache
def of_pictures(names: tuple[str, ...]) -> dict[str, metrics.PictureMetric]:
    """The metrics of each picture, made once.

    Raises:
        MendError: weights that a metric looks through are not at hand.
    """
    return {name: metrics.METRICS[name]() for name in names if not METRICS[name].of_sets}


def measure(names: Sequence[str], made: Pixels, truth: Pixels, hole: Hole) -> Values:
    """A value of each metric of one fill.

    Args:
        made, truth: ``(H, W, 3)``.
        hole: ``(H, W)``.
    """
    chosen = of_pictures(tuple(names))
    if not chosen:
        return {}
    where = torch.from_numpy(hole)[None, None]
    rows = metrics.measure(chosen, _tensor(made), _tensor(truth), where)
    return {name: values[0] for name, values in rows.items()}


def _tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@contextmanager
def alone() -> Iterator[None]:
    """One thread for torch: sums that no number of threads or processes changes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
