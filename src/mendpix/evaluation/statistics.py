"""Means, bootstrap intervals and paired differences, independent of the order of the rows.

Each value belongs to a picture. Intervals are percentile bootstrap (Efron 1979,
https://doi.org/10.1214/aos/1176344552) over pictures: percentiles of the means of 10,000 samples
with replacement, with a fixed seed. Two models are compared in pairs, on the same holes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, inf, isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mendpix.evaluation.results import ALL, Results

LEVEL = 0.95
DRAWS = 10_000  # leaves 250 means beyond each end of a 95 % interval
SEED = 0

FEWEST = 6
"""Pictures below which no claim is made: an interval from fewer is too narrow to be believed."""

_BLOCK = 1 << 22  # values in memory at once while drawing


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval, NaN where fewer than two pictures give one."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How much larger model ``a``'s values are than ``b``'s, picture by picture.

    Attributes:
        better: ``"lower"`` or ``"higher"`` values.
    """

    a: str
    b: str
    metric: str
    bucket: str
    mean: float
    low: float
    high: float
    count: int
    better: str

    @property
    def winner(self) -> str:
        """The model that the data show to be better; "" where they show none."""
        if self.count < FEWEST or not (self.low > 0 or self.high < 0):
            return ""
        return self.a if (self.low > 0) == (self.better == "higher") else self.b

    def verdict(self, label: str = "", unit: str = "", digits: int = 4) -> str:
        """One sentence that says whether the data support that one beats the other."""
        what = label or self.metric
        where = "" if self.bucket == ALL else f" in {self.bucket}"
        pictures = f"{self.count} picture" + ("s" if self.count != 1 else "")
        if not self.count:
            return f"{self.a} and {self.b} share no picture measured by {what}{where}"
        if not self.winner:
            interval_text = _format_interval(self.mean, self.low, self.high, unit, digits)
            reason = " (too few to tell)" if self.count < FEWEST else ""
            return (
                f"{pictures}{reason} do not show whether {self.a} or {self.b} is better by "
                f"{what}{where}: difference {interval_text}"
            )
        loser = self.b if self.winner == self.a else self.a
        low, high = sorted((abs(self.low), abs(self.high)))
        size = _format_interval(abs(self.mean), low, high, unit, digits)
        return f"{self.winner} beats {loser} by {what}{where}: by {size}, {pictures}"


def _format_interval(mean: float, low: float, high: float, unit: str, digits: int) -> str:
    tail = f" {unit}" if unit else ""
    percent = f"{100 * LEVEL:g} %"
    return f"{mean:.{digits}f}{tail} ({percent}: {low:.{digits}f} to {high:.{digits}f})"


def mean(values: Mapping[str, float]) -> float:
    """The mean over pictures, summed exactly in the order of their names; NaN of none."""
    ordered = [values[name] for name in sorted(values)]
    return fsum(ordered) / len(ordered) if ordered else nan


def interval(values: Mapping[str, float], seed: int = SEED) -> tuple[float, float]:
    """The bootstrap interval of the mean; NaN where fewer than two values give one."""
    ordered = np.array([values[name] for name in sorted(values)], np.float64)
    if ordered.size < 2 or np.isnan(ordered).any():
        return nan, nan
    means = np.sort(_means(ordered, seed))
    tail = round(DRAWS * (1 - LEVEL) / 2)  # means beyond each end
    return float(means[tail]), float(means[-tail - 1])


def _means(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """The means of samples with replacement.

    The indices depend on the seed and the number of values alone, so that two models measured on
    the same pictures are resampled alike.
    """
    random = np.random.default_rng(seed)
    rows = max(1, _BLOCK // values.size)
    blocks = [min(rows, DRAWS - start) for start in range(0, DRAWS, rows)]
    parts = [values[random.integers(0, values.size, (n, values.size))].mean(1) for n in blocks]
    return np.concatenate(parts)


def estimate(results: Results, model: str, metric: str, bucket: str = ALL) -> Estimate:
    """A cell of the table: of a metric of each picture."""
    return estimate_mean(results.values(model, metric, bucket))


def estimate_mean(values: Mapping[str, float]) -> Estimate:
    """The mean of values by picture, with its interval."""
    return Estimate(mean(values), *interval(values), len(values))


def difference(results: Results, a: str, b: str, metric: str, bucket: str = ALL) -> Difference:
    """``a`` minus ``b`` over the pictures that both have."""
    ours, theirs = results.values(a, metric, bucket), results.values(b, metric, bucket)
    gap = paired_difference(ours, theirs)
    better = str(results.metrics[metric]["better"])
    return Difference(a, b, metric, bucket, gap.mean, gap.low, gap.high, gap.count, better)


def paired_difference(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Estimate:
    """Of the first values minus the second, by picture, over the pictures that both have."""
    return estimate_mean(
        {name: _subtract(ours[name], theirs[name]) for name in ours if name in theirs}
    )


def _subtract(a: float, b: float) -> float:
    """Equal infinities (the PSNR of perfect fills) differ by nothing, not by NaN."""
    return 0.0 if a == b else a - b


def verdicts(results: Results, a: str, b: str, bucket: str = ALL) -> list[str]:
    """One sentence for each metric of pictures."""
    return [
        difference(results, a, b, name, bucket).verdict(
            metric["label"], metric["unit"], metric["digits"]
        )
        for name, metric in results.metrics.items()
        if not metric.get("set")
    ]


def rank(results: Results, metric: str, bucket: str = ALL) -> list[str]:
    """The models from best to worst by their mean; those without a value come last."""
    sign = 1 if results.metrics[metric]["better"] == "lower" else -1
    means = {model: sign * mean(results.values(model, metric, bucket)) for model in results.models}
    return sorted(means, key=lambda model: inf if isnan(means[model]) else means[model])


def summary(results: Results) -> dict[str, Any]:
    """Model -> metric -> bucket -> :class:`Estimate`, of metrics of each picture."""
    names = [name for name, metric in results.metrics.items() if not metric.get("set")]
    buckets = [ALL, *results.buckets()]
    return {
        model: {
            name: {bucket: estimate(results, model, name, bucket) for bucket in buckets}
            for name in names
        }
        for model in results.models
    }
