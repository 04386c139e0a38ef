"""The report's tables, before they are text, LaTeX or HTML."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from mendpix.evaluation.report.summary import Duel, Mark, Metric, Summary
from mendpix.evaluation.results import ALL, SetRow
from mendpix.evaluation.statistics import FEWEST

ENOUGH = 2048
"""Pictures from which on FID's covariance of 2,048 features has full rank."""

INTERVAL = (
    "95 % intervals (bootstrap over pictures) stand in brackets; those of fewer than "
    f"{FEWEST} pictures are narrower than the data warrants."
)

MARKING = (
    "● beats every other model there; where none does, ○ marks those that no model beats. A model "
    "beats another where the 95 % interval of their paired difference over at least "
    f"{FEWEST} pictures leaves 0 out, not corrected for the number of comparisons; where the data "
    "shows no difference at all, nothing is marked."
)

FEW = (
    f"Under {ENOUGH:,} pictures FID is biased upwards, the more the fewer they are: compare such "
    "numbers only at equal counts, and read KID beside them."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a table's cell: a value, then smaller print and a verdict on it."""

    text: str
    small: str = ""
    mark: Mark = ""
    warned: bool = False
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a row per thing compared; the first column names it."""

    title: str
    header: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = field(default=())


def share(bucket: str) -> str:
    """A bucket's label as shares in percent: "(0.01,0.1]" becomes "1–10 %"."""
    span, _, rest = bucket.partition("] ")
    edges = span.strip("(]").split(",")
    try:
        low, high = (f"{100 * float(edge):g}" for edge in edges)
    except ValueError:
        return "all pictures" if bucket == ALL else bucket
    return f"{low}–{high} %" + (f", {rest}" if rest else "")


def overall(summary: Summary) -> Table:
    """A row per model, a column per metric, over all pictures."""
    header = [Cell("model"), *(Cell(metric.heading) for metric in summary.metrics)]
    rows = [
        [Cell(model), *(_mean(summary, model, metric, ALL) for metric in summary.metrics)]
        for model in summary.models
    ]
    count = len(summary.members[ALL])
    return Table(f"All {count} pictures", header, rows, (INTERVAL, *_marking(summary)))


def _mean(summary: Summary, model: str, metric: Metric, bucket: str) -> Cell:
    found = summary.estimate(model, metric, bucket)
    if not found.count:
        return Cell("–")
    missing = len(summary.members[bucket]) - found.count
    span = interval(metric, found.low, found.high)
    lacking = f" {missing} missing" if missing else ""
    mark = summary.marks(metric, bucket)[model]
    return Cell(metric.written(found.mean), (span + lacking).strip(), mark, bool(missing))


def interval(metric: Metric, low: float, high: float) -> str:
    """An interval in brackets; nothing where too few pictures give none."""
    if math.isnan(low):
        return ""
    return f"[{metric.written(low)}, {metric.written(high)}]"


def _marking(summary: Summary) -> tuple[str, ...]:
    return (MARKING,) if len(summary.models) > 1 else ()


def by_bucket(summary: Summary, metric: Metric) -> Table:
    """A row per model, a column per bucket, of one metric."""
    heads = [Cell(share(b), f"n = {len(summary.members[b]):,}") for b in summary.columns]
    rows = [
        [Cell(model), *(_mean(summary, model, metric, b) for b in summary.columns)]
        for model in summary.models
    ]
    return Table(metric.heading, [Cell("model"), *heads], rows)


def claims(summary: Summary, metric: Metric) -> Table:
    """A row per pair of models: over all pictures, then by bucket, who leads and by how much."""
    columns = [ALL, *summary.buckets]
    header = [Cell("A beats B"), *(Cell(share(bucket)) for bucket in columns)]
    overall_duels = summary.duels(metric)
    rows = [
        [Cell(f"{duel.winner} beats {duel.loser}")]
        + [_claim(summary, metric, bucket, duel) for bucket in columns]
        for duel in overall_duels
    ]
    notes = ("By how much A is better than B on the same pictures; below 0, B is better.",)
    return Table(f"{metric.title}: paired differences", header, rows, notes)


def _claim(summary: Summary, metric: Metric, bucket: str, pair: Duel) -> Cell:
    """The pair's lead there, as seen from the one that leads over all pictures."""
    for duel in summary.duels(metric, bucket):
        if {duel.winner, duel.loser} == {pair.winner, pair.loser}:
            turned = duel.winner != pair.winner
            lead, low, high = (-duel.lead, -duel.high, -duel.low) if turned else numbers(duel)
            span, told = interval(metric, low, high), verdict(duel, turned)
            return Cell(metric.written(lead), span, verdict=told)
    return Cell("–")


def numbers(duel: Duel) -> tuple[float, float, float]:
    """Lead and interval."""
    return duel.lead, duel.low, duel.high


def verdict(duel: Duel, turned: bool = False) -> str:
    """Whether the data supports the claim."""
    if duel.count < FEWEST:
        return f"not supported by {duel.count} pictures" if duel.count > 1 else "one picture"
    if not duel.supported:
        return "not supported"
    return "the opposite is supported" if turned else "supported"


def sets(summary: Summary) -> list[Table]:
    """A table per metric of whole sets: a row per model, a column per bucket, counts in cells."""
    held = {(s.model, s.metric, s.bucket): s for s in summary.results.sets}
    measured = [m for m in summary.set_metrics if any(key[1] == m.name for key in held)]
    columns = [b for b in summary.columns if any(key[2] == b for key in held)]
    header = [Cell("model"), *(Cell(share(bucket)) for bucket in columns)]
    found = []
    for metric in measured:
        rows = [
            [Cell(model), *(_of_set(metric, held.get((model, metric.name, b))) for b in columns)]
            for model in summary.models
        ]
        notes = FEW if any(map(_too_few, held.values())) and metric is measured[-1] else ""
        found.append(Table(metric.heading, header, rows, (notes,) if notes else ()))
    return found


def _of_set(metric: Metric, row: SetRow | None) -> Cell:
    if row is None:
        return Cell("–")
    return Cell(metric.written(row.value), f"n = {row.count:,}", "", _too_few(row))


def _too_few(row: SetRow) -> bool:
    """KID has no bias from small samples."""
    return row.count < ENOUGH and not row.metric.startswith("kid")


COST_NOTE = (
    "Time and memory belong to the machine and the moment: they are no part of what a repeated "
    "evaluation promises to reproduce. Memory is by how much the process's peak rose "
    "above what it held once the model was loaded, at most."
)


def costs(summary: Summary) -> Table | None:
    """A row per model: seconds a picture, and memory."""
    if not summary.results.costs:
        return None
    names = ("model", "median (s)", "quartiles (s)", "longest (s)", "memory (MiB)", "n")
    rows = []
    for model in summary.models:
        held = [cost for cost in summary.results.costs if cost.model == model]
        if not held:
            rows.append([Cell(model), *[Cell("–")] * (len(names) - 1)])
            continue
        low, middle, high = spread([cost.seconds for cost in held])
        longest = max(cost.seconds for cost in held)
        memory = max((c.megabytes for c in held if not math.isnan(c.megabytes)), default=math.nan)
        peak = "–" if math.isnan(memory) else f"{memory:,.0f}"
        texts = (seconds(middle), f"{seconds(low)}–{seconds(high)}", seconds(longest), peak)
        rows.append([Cell(model), *map(Cell, texts), Cell(str(len(held)))])
    return Table("Time and memory", list(map(Cell, names)), rows, (COST_NOTE,))


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return low, middle, high


def seconds(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}" if value >= 0.001 else f"{value:.4f}"


def findings(summary: Summary) -> list[tuple[Metric, str]]:
    """One sentence per metric: who is best over all pictures, and whether the data supports it."""
    if len(summary.models) < 2:
        return []
    return [(metric, _finding(summary, metric)) for metric in summary.metrics]


def _finding(summary: Summary, metric: Metric) -> str:
    marks = summary.marks(metric)
    first = [model for model in summary.ranked(metric) if marks[model]]
    if not summary.duels(metric):
        return "no two models were measured on the same pictures."
    if not first:
        return "the data does not tell the models apart; no model is best."
    if marks[first[0]] == "best":
        return f"{first[0]} is best, and the data supports it against every other model."
    if len(first) == 1:
        return f"no model beats {first[0]}, but not every lead of it is supported by the data."
    names = f"{', '.join(first[:-1])} and {first[-1]}"
    return f"{names} lead; the data does not tell which of them is best."
