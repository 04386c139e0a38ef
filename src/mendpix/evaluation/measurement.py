"""Metrics of each fill: pixels become tensors here, and nowhere else in the evaluation."""

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
def load_picture_metrics(names: tuple[str, ...]) -> dict[str, metrics.PictureMetric]:
    """The metrics with a value per picture, built once per process.

    Raises:
        MendError: feature weights of a metric are missing.
    """
    return {name: metrics.METRICS[name]() for name in names if not METRICS[name].of_sets}


def measure(names: Sequence[str], fill: Pixels, truth: Pixels, hole: Hole) -> Values:
    """A value of each metric of one fill.

    Args:
        fill, truth: ``(H, W, 3)``.
        hole: ``(H, W)``.
    """
    picture_metrics = load_picture_metrics(tuple(names))
    if not picture_metrics:
        return {}
    hole_tensor = torch.from_numpy(hole)[None, None]
    rows = metrics.measure(picture_metrics, _to_tensor(fill), _to_tensor(truth), hole_tensor)
    return {name: values[0] for name, values in rows.items()}


def _to_tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@contextmanager
def use_one_thread() -> Iterator[None]:
    """One thread for torch: sums whose last digits depend on no number of threads or processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
