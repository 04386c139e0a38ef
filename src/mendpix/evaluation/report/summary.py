"""Everything the tables and plots say, worked out once from the rows of an evaluation."""

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

    def written(self, value: float) -> str:
        """A value in this metric's digits; ∞ where it has no end, – where there is none."""
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        text = f"{value:.{self.digits}f}"
        return text.replace("-", "−") if float(text) else text.lstrip("-")


@dataclass(frozen=True, slots=True)
class Duel:
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
    def supported(self) -> bool:
        """Whether the interval leaves 0 out, and comes from enough pictures to be believed."""
        return self.low > 0 and self.count >= statistics.FEWEST


@dataclass(frozen=True)
class Summary:
    """Means, intervals and paired differences of an evaluation."""

    results: Results

    @cached_property
    def all_metrics(self) -> list[Metric]:
        """In the order of the tables."""
        return [_metric(name, held) for name, held in self.results.metrics.items()]

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
        found: dict[str, list[str]] = {ALL: [], **{bucket: [] for bucket in self.buckets}}
        for shot in sorted(self.results.pictures, key=lambda shot: shot.name):
            found[ALL].append(shot.name)
            if shot.bucket:
                found[shot.bucket].append(shot.name)
        return found

    @cached_property
    def _index(self) -> dict[tuple[str, str], dict[str, float]]:
        index: dict[tuple[str, str], dict[str, float]] = {}
        for row in self.results.rows:
            index.setdefault((row.model, row.metric), {})[row.picture] = row.value
        return index

    def values(self, model: str, metric: Metric, bucket: str = ALL) -> dict[str, float]:
        """By picture, in the order of their names."""
        held = self._index.get((model, metric.name), {})
        return {name: held[name] for name in self.members[bucket] if name in held}

    @cached_property
    def _estimates(self) -> dict[tuple[str, str, str], Estimate]:
        return {}

    def estimate(self, model: str, metric: Metric, bucket: str = ALL) -> Estimate:
        """The mean of a metric over a bucket's pictures."""
        key = (model, metric.name, bucket)
        if key not in self._estimates:
            self._estimates[key] = statistics.estimated(self.values(model, metric, bucket))
        return self._estimates[key]

    @cached_property
    def _duels(self) -> dict[tuple[str, str], list[Duel]]:
        return {}

    def duels(self, metric: Metric, bucket: str = ALL) -> list[Duel]:
        """Each pair of models that share pictures, the largest lead first among equals in rank."""
        key = (metric.name, bucket)
        if key not in self._duels:
            values = {model: self.values(model, metric, bucket) for model in self.ranked(metric)}
            pairs = combinations(values, 2)
            found = [_duel(metric, a, b, values[a], values[b]) for a, b in pairs]
            self._duels[key] = [duel for duel in found if duel is not None]
        return self._duels[key]

    def ranked(self, metric: Metric, bucket: str = ALL) -> list[str]:
        """The models from the best mean to the worst; those without a value last."""

        def place(model: str) -> tuple[bool, float]:
            mean = self.estimate(model, metric, bucket).mean
            return math.isnan(mean), -mean if metric.higher else mean

        return sorted(self.models, key=place)

    def marks(self, metric: Metric, bucket: str = ALL) -> dict[str, Mark]:
        """Which models may be called best there.

        "best" is the model that beats every other with the data's support; where no model does,
        "near" marks those that no other beats so, unless that holds for all of them.
        """
        duels = self.duels(metric, bucket)
        beaten = {duel.loser for duel in duels if duel.supported}
        fought = {name for duel in duels for name in (duel.winner, duel.loser)}
        unbeaten = fought - beaten
        if not beaten:
            return dict.fromkeys(self.models, "")
        wins = sum(duel.supported and duel.winner in unbeaten for duel in duels)
        alone = len(unbeaten) == 1 and wins == len(fought) - 1
        kind: Mark = "best" if alone else "near"
        return {model: kind if model in unbeaten else "" for model in self.models}


_kept: Summary | None = None


def summarised(results: Results) -> Summary:
    """The summary of results, kept until others come: intervals take long to draw, and a table
    for the terminal and a page ask for the same ones."""
    global _kept
    if _kept is None or _kept.results is not results:
        _kept = Summary(results)
    return _kept


def _metric(name: str, held: Mapping[str, Any]) -> Metric:
    return Metric(
        name=name,
        title=str(held.get("label") or name),
        unit=str(held.get("unit", "")),
        higher=held.get("better") == "higher",
        digits=int(held.get("digits", 4)),
        whole=bool(held.get("set", False)),
        how=str(held.get("how", "")),
    )


def _duel(
    metric: Metric, a: str, b: str, of_a: Mapping[str, float], of_b: Mapping[str, float]
) -> Duel | None:
    """The difference of two models, turned so that it is a lead."""
    ours, theirs = (of_a, of_b) if metric.higher else (of_b, of_a)
    lead = statistics.paired(ours, theirs)
    if not lead.count:
        return None
    if lead.mean < 0:
        return Duel(b, a, -lead.mean, -lead.high, -lead.low, lead.count)
    return Duel(a, b, lead.mean, lead.low, lead.high, lead.count)
