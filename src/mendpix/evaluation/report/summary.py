"""Statistics behind the tables and plots, computed once from the rows of an evaluation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

from mendpix.evaluation import statistics
from mendpix.evaluation.results import ALL, Results
from mendpix.evaluation.statistics import Estimate

Mark = Literal["", "best", "near"]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is shown.

    Attributes:
        unit: of its values, "" for none.
        higher: whether more is better.
        digits: behind the point.
        whole: one value for a set of pictures, none for each.
    """

    name: str
    title: str
    unit: str
    higher: bool
    digits: int
    whole: bool
    how: str = ""

    @property
    def heading(self) -> str:
        """Its title with its unit and an arrow towards the better."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit} {'↑' if self.higher else '↓'}"

    def format_value(self, value: float) -> str:
        """A value in this metric's digits; ∞ where it has no end, – where there is none."""
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        text = f"{value:.{self.digits}f}"
        return text.replace("-", "−") if float(text) else text.lstrip("-")


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two models on the pictures that both filled; ``winner`` has the better mean there.

    Attributes:
        lead: by how much, in the metric's unit, never below 0.
        low, high: its 95 % interval over pictures.
    """

    winner: str
    loser: str
    lead: float
    low: float
    high: float
    count: int

    @property
    def is_supported(self) -> bool:
        """Whether the interval leaves 0 out, and comes from enough pictures to be believed."""
        return self.low > 0 and self.count >= statistics.FEWEST


@dataclass(frozen=True)
class Summary:
    """Means, intervals and paired differences of an evaluation."""

    results: Results

    @cached_property
    def all_metrics(self) -> list[Metric]:
        """In the order of the tables."""
        return [_metric(name, settings) for name, settings in self.results.metrics.items()]

    @property
    def metrics(self) -> list[Metric]:
        """Those with a value per picture."""
        return [metric for metric in self.all_metrics if not metric.whole]

    @property
    def set_metrics(self) -> list[Metric]:
        """Those with a value per set of pictures."""
        return [metric for metric in self.all_metrics if metric.whole]

    @property
    def models(self) -> list[str]:
        """In the order given."""
        return list(self.results.models)

    @cached_property
    def buckets(self) -> list[str]:
        """Those that hold pictures, in order of size; all of them together where there is none."""
        return self.results.buckets()

    @cached_property
    def columns(self) -> list[str]:
        """The buckets, then all of them."""
        return [*self.buckets, ALL]

    @cached_property
    def members(self) -> dict[str, list[str]]:
        """Names of pictures by bucket, sorted."""
        members: dict[str, list[str]] = {ALL: [], **{bucket: [] for bucket in self.buckets}}
        for sample in sorted(self.results.pictures, key=lambda sample: sample.name):
            members[ALL].append(sample.name)
            if sample.bucket:
                members[sample.bucket].append(sample.name)
        return members

    @cached_property
    def _index(self) -> dict[tuple[str, str], dict[str, float]]:
        index: dict[tuple[str, str], dict[str, float]] = {}
        for row in self.results.rows:
            index.setdefault((row.model, row.metric), {})[row.picture] = row.value
        return index

    def values(self, model: str, metric: Metric, bucket: str = ALL) -> dict[str, float]:
        """By picture, in the order of their names."""
        values = self._index.get((model, metric.name), {})
        return {name: values[name] for name in self.members[bucket] if name in values}

    @cached_property
    def _estimates(self) -> dict[tuple[str, str, str], Estimate]:
        return {}

    def estimate(self, model: str, metric: Metric, bucket: str = ALL) -> Estimate:
        """The mean of a metric over a bucket's pictures."""
        key = (model, metric.name, bucket)
        if key not in self._estimates:
            self._estimates[key] = statistics.estimate_mean(self.values(model, metric, bucket))
        return self._estimates[key]

    @cached_property
    def _comparisons(self) -> dict[tuple[str, str], list[PairComparison]]:
        return {}

    def comparisons(self, metric: Metric, bucket: str = ALL) -> list[PairComparison]:
        """Each pair of models that share pictures, the largest lead first among equals in rank."""
        key = (metric.name, bucket)
        if key not in self._comparisons:
            values = {
                model: self.values(model, metric, bucket) for model in self.rank_models(metric)
            }
            pairs = combinations(values, 2)
            compared = [_compare_pair(metric, a, b, values[a], values[b]) for a, b in pairs]
            self._comparisons[key] = [pair for pair in compared if pair is not None]
        return self._comparisons[key]

    def rank_models(self, metric: Metric, bucket: str = ALL) -> list[str]:
        """The models from the best mean to the worst; those without a value last."""

        def place(model: str) -> tuple[bool, float]:
            mean = self.estimate(model, metric, bucket).mean
            return math.isnan(mean), -mean if metric.higher else mean

        return sorted(self.models, key=place)

    def mark_best(self, metric: Metric, bucket: str = ALL) -> dict[str, Mark]:
        """Which models may be called best there.

        "best" is the model that beats every other with the data's support; where no model does,
        "near" marks those that no other beats so, unless that holds for all of them.
        """
        comparisons = self.comparisons(metric, bucket)
        beaten = {comparison.loser for comparison in comparisons if comparison.is_supported}
        compared = {
            name for comparison in comparisons for name in (comparison.winner, comparison.loser)
        }
        unbeaten = compared - beaten
        if not beaten:
            return dict.fromkeys(self.models, "")
        wins = sum(pair.is_supported and pair.winner in unbeaten for pair in comparisons)
        alone = len(unbeaten) == 1 and wins == len(compared) - 1
        kind: Mark = "best" if alone else "near"
        return {model: kind if model in unbeaten else "" for model in self.models}


_latest: Summary | None = None


def summarize(results: Results) -> Summary:
    """The summary of results, cached until other results come.

    Bootstrap intervals are slow, and the terminal's table and the page need the same ones.
    """
    global _latest
    if _latest is None or _latest.results is not results:
        _latest = Summary(results)
    return _latest


def _metric(name: str, settings: Mapping[str, Any]) -> Metric:
    return Metric(
        name=name,
        title=str(settings.get("label") or name),
        unit=str(settings.get("unit", "")),
        higher=settings.get("better") == "higher",
        digits=int(settings.get("digits", 4)),
        whole=bool(settings.get("set", False)),
        how=str(settings.get("how", "")),
    )


def _compare_pair(
    metric: Metric, a: str, b: str, of_a: Mapping[str, float], of_b: Mapping[str, float]
) -> PairComparison | None:
    """The difference of two models, turned so that it is a lead."""
    ours, theirs = (of_a, of_b) if metric.higher else (of_b, of_a)
    lead = statistics.paired_difference(ours, theirs)
    if not lead.count:
        return None
    if lead.mean < 0:
        return PairComparison(b, a, -lead.mean, -lead.high, -lead.low, lead.count)
    return PairComparison(a, b, lead.mean, lead.low, lead.high, lead.count)
