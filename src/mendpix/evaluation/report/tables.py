"""Tables of the report as data, before they are text, LaTeX or HTML."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from mendpix.evaluation.report.summary import Mark, Metric, PairComparison, Summary
from mendpix.evaluation.results import ALL, SetMetricRow
from mendpix.evaluation.statistics import FEWEST

FID_PICTURES = 2048
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
    f"Under {FID_PICTURES:,} pictures FID is biased upwards, the more the fewer they are: compare "
    "such numbers only at equal counts, and read KID beside them."
)


@dataclass(frozen=True, slots=True)
class TableCell:
    """What stands in a table's cell: a value, then smaller print and a verdict on it."""

    text: str
    small: str = ""
    mark: Mark = ""
    warned: bool = False
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table with a row per thing compared; the first column names it."""

    title: str
    header: Sequence[TableCell]
    rows: Sequence[Sequence[TableCell]]
    notes: Sequence[str] = field(default=())


def bucket_label(bucket: str) -> str:
    """A bucket's label as shares in percent: "(0.01,0.1]" becomes "1–10 %"."""
    span, _, rest = bucket.partition("] ")
    edges = span.strip("(]").split(",")
    try:
        low, high = (f"{100 * float(edge):g}" for edge in edges)
    except ValueError:
        return "all pictures" if bucket == ALL else bucket
    return f"{low}–{high} %" + (f", {rest}" if rest else "")


def tabulate_overall(summary: Summary) -> ReportTable:
    """A row per model, a column per metric, over all pictures."""
    header = [TableCell("model"), *(TableCell(metric.heading) for metric in summary.metrics)]
    rows = [
        [TableCell(model), *(_mean_cell(summary, model, metric, ALL) for metric in summary.metrics)]
        for model in summary.models
    ]
    count = len(summary.members[ALL])
    return ReportTable(f"All {count} pictures", header, rows, (INTERVAL, *_marking_note(summary)))


def _mean_cell(summary: Summary, model: str, metric: Metric, bucket: str) -> TableCell:
    estimate = summary.estimate(model, metric, bucket)
    if not estimate.count:
        return TableCell("–")
    missing = len(summary.members[bucket]) - estimate.count
    interval = format_interval(metric, estimate.low, estimate.high)
    small = (interval + (f" {missing} missing" if missing else "")).strip()
    mark = summary.mark_best(metric, bucket)[model]
    return TableCell(metric.format_value(estimate.mean), small, mark, bool(missing))


def format_interval(metric: Metric, low: float, high: float) -> str:
    """An interval in brackets; nothing where too few pictures give none."""
    if math.isnan(low):
        return ""
    return f"[{metric.format_value(low)}, {metric.format_value(high)}]"


def _marking_note(summary: Summary) -> tuple[str, ...]:
    return (MARKING,) if len(summary.models) > 1 else ()


def tabulate_buckets(summary: Summary, metric: Metric) -> ReportTable:
    """A row per model, a column per bucket, of one metric."""
    heads = [
        TableCell(bucket_label(b), f"n = {len(summary.members[b]):,}") for b in summary.columns
    ]
    rows = [
        [TableCell(model), *(_mean_cell(summary, model, metric, b) for b in summary.columns)]
        for model in summary.models
    ]
    return ReportTable(metric.heading, [TableCell("model"), *heads], rows)


def tabulate_comparisons(summary: Summary, metric: Metric) -> ReportTable:
    """A row per pair of models: over all pictures, then by bucket, who leads and by how much."""
    columns = [ALL, *summary.buckets]
    header = [TableCell("A beats B"), *(TableCell(bucket_label(bucket)) for bucket in columns)]
    rows = [
        [TableCell(f"{pair.winner} beats {pair.loser}")]
        + [_comparison_cell(summary, metric, bucket, pair) for bucket in columns]
        for pair in summary.comparisons(metric)
    ]
    notes = ("By how much A is better than B on the same pictures; below 0, B is better.",)
    return ReportTable(f"{metric.title}: paired differences", header, rows, notes)


def _comparison_cell(
    summary: Summary, metric: Metric, bucket: str, pair: PairComparison
) -> TableCell:
    """The pair's lead there, as seen from the one that leads over all pictures."""
    for comparison in summary.comparisons(metric, bucket):
        if {comparison.winner, comparison.loser} == {pair.winner, pair.loser}:
            turned = comparison.winner != pair.winner
            lead, low, high = comparison.lead, comparison.low, comparison.high
            if turned:
                lead, low, high = -lead, -high, -low
            interval = format_interval(metric, low, high)
            return TableCell(
                metric.format_value(lead), interval, verdict=verdict(comparison, turned)
            )
    return TableCell("–")


def verdict(comparison: PairComparison, turned: bool = False) -> str:
    """Whether the data supports the claim; ``turned``: the claim that the loser is better."""
    if comparison.count == 1:
        return "one picture"
    if comparison.count < FEWEST:
        return f"not supported by {comparison.count} pictures"
    if not comparison.is_supported:
        return "not supported"
    return "the opposite is supported" if turned else "supported"


def tabulate_sets(summary: Summary) -> list[ReportTable]:
    """A table per metric of whole sets: a row per model, a column per bucket, counts in cells."""
    values = {(s.model, s.metric, s.bucket): s for s in summary.results.sets}
    measured = [m for m in summary.set_metrics if any(key[1] == m.name for key in values)]
    columns = [b for b in summary.columns if any(key[2] == b for key in values)]
    header = [TableCell("model"), *(TableCell(bucket_label(bucket)) for bucket in columns)]
    few = any(map(_too_few, values.values()))
    tables = []
    for metric in measured:
        rows = [
            [
                TableCell(model),
                *(_set_cell(metric, values.get((model, metric.name, b))) for b in columns),
            ]
            for model in summary.models
        ]
        notes = (FEW,) if few and metric is measured[-1] else ()
        tables.append(ReportTable(metric.heading, header, rows, notes))
    return tables


def _set_cell(metric: Metric, row: SetMetricRow | None) -> TableCell:
    if row is None:
        return TableCell("–")
    return TableCell(metric.format_value(row.value), f"n = {row.count:,}", "", _too_few(row))


def _too_few(row: SetMetricRow) -> bool:
    """Whether FID's bias from few pictures matters; KID's estimator has none."""
    return row.count < FID_PICTURES and not row.metric.startswith("kid")


COST_NOTE = (
    "Time and memory belong to the machine and the moment: they are no part of what a repeated "
    "evaluation promises to reproduce. Memory is by how much the process's peak rose "
    "above what it held once the model was loaded, at most."
)


def tabulate_costs(summary: Summary) -> ReportTable | None:
    """A row per model: seconds a picture, and memory."""
    if not summary.results.costs:
        return None
    names = ("model", "median (s)", "quartiles (s)", "longest (s)", "memory (MiB)", "n")
    rows = [[TableCell(model), *_cost_cells(summary, model)] for model in summary.models]
    return ReportTable("Time and memory", list(map(TableCell, names)), rows, (COST_NOTE,))


def _cost_cells(summary: Summary, model: str) -> list[TableCell]:
    costs = [cost for cost in summary.results.costs if cost.model == model]
    if not costs:
        return [TableCell("–")] * 5
    low, middle, high = quartiles([cost.seconds for cost in costs])
    longest = max(cost.seconds for cost in costs)
    memory = max((c.megabytes for c in costs if not math.isnan(c.megabytes)), default=math.nan)
    texts = (
        format_seconds(middle),
        f"{format_seconds(low)}–{format_seconds(high)}",
        format_seconds(longest),
        "–" if math.isnan(memory) else f"{memory:,.0f}",
        str(len(costs)),
    )
    return list(map(TableCell, texts))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return low, middle, high


def format_seconds(value: float) -> str:
    """A time in three significant digits."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}" if value >= 0.001 else f"{value:.4f}"


def tabulate_all(summary: Summary) -> list[ReportTable]:
    """Every table, in the order in which they are read."""
    tables = [tabulate_overall(summary)]
    if summary.buckets:
        tables += [tabulate_buckets(summary, metric) for metric in summary.metrics]
    if len(summary.models) > 1:
        tables += [tabulate_comparisons(summary, metric) for metric in summary.metrics]
    costs = tabulate_costs(summary)
    return [*tables, *tabulate_sets(summary), *([costs] if costs else [])]


def list_findings(summary: Summary) -> list[tuple[Metric, str]]:
    """One sentence per metric: who is best over all pictures, and whether the data supports it."""
    if len(summary.models) < 2:
        return []
    return [(metric, _finding(summary, metric)) for metric in summary.metrics]


def _finding(summary: Summary, metric: Metric) -> str:
    marks = summary.mark_best(metric)
    best = [model for model in summary.rank_models(metric) if marks[model]]
    if not summary.comparisons(metric):
        return "no two models were measured on the same pictures."
    if not best:
        return "the data does not tell the models apart; no model is best."
    if marks[best[0]] == "best":
        return f"{best[0]} is best, and the data supports it against every other model."
    if len(best) == 1:
        return f"no model beats {best[0]}, but not every lead of it is supported by the data."
    names = f"{', '.join(best[:-1])} and {best[-1]}"
    return f"{names} lead; the data does not tell which of them is best."
