"""The page's sections of numbers: metrics by hole size, paired differences, sets, times."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mendpix.evaluation.report import difference_strips, plots, tables
from mendpix.evaluation.report.rendering import render
from mendpix.evaluation.report.summary import Metric, PairComparison, Summary
from mendpix.evaluation.report.svg import Axis
from mendpix.evaluation.report.tables import ReportTable

MAX_PAIRS = 10
"""Pairs beyond which only those of the model with the best mean are drawn."""


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A pair of models, with its lead drawn and in numbers.

    Attributes:
        zero: where 0 lies in the strip, in percent of its width.
    """

    winner: str
    loser: str
    verdict: str
    is_supported: bool
    strip: Markup
    zero: str
    lead: str
    interval: str


@dataclass(frozen=True, slots=True)
class ComparisonTable:
    """Who beats whom by a metric over all pictures.

    Attributes:
        whose: what the caption says where only one model's pairs are shown.
        unit: in brackets, after the metric's title.
    """

    title: str
    unit: str
    whose: str
    rows: Sequence[ComparisonRow]
    scale: Markup


@dataclass(frozen=True, slots=True)
class MetricView:
    """What the page shows of a metric; None: too few models, or no buckets."""

    anchor: str
    heading: str
    how: str
    plot: Markup
    comparisons: ComparisonTable | None
    means: ReportTable
    comparisons_by_bucket: ReportTable | None


def anchor(metric: Metric) -> str:
    """The anchor of a metric's part of the page."""
    return "metric-" + re.sub(r"[^A-Za-z0-9]+", "-", metric.name)


def render_metrics(summary: Summary) -> Markup:
    """One part per metric."""
    views = [_view_metric(summary, metric) for metric in summary.metrics]
    return render("metrics.html", views=views, models=summary.models)


def _view_metric(summary: Summary, metric: Metric) -> MetricView:
    several = len(summary.models) > 1 and summary.buckets
    return MetricView(
        anchor(metric),
        metric.heading,
        metric.how,
        plots.plot_buckets(summary, metric),
        _compare_models(summary, metric),
        tables.tabulate_buckets(summary, metric),
        tables.tabulate_comparisons(summary, metric) if several else None,
    )


def _compare_models(summary: Summary, metric: Metric) -> ComparisonTable | None:
    """Who beats whom over all pictures, with each lead and its interval drawn."""
    pairs = summary.comparisons(metric)
    if not pairs:
        return None
    whose = ""
    if len(pairs) > MAX_PAIRS:
        first = summary.rank_models(metric)[0]
        whose = f" of {first}, whose mean is best,"
        pairs = [pair for pair in pairs if first in (pair.winner, pair.loser)]
    axis = difference_strips.fit_shared_axis(pairs)
    rows = [_comparison_row(summary, metric, pair, axis) for pair in pairs]
    unit = f" ({metric.unit})" if metric.unit else ""
    return ComparisonTable(metric.title, unit, whose, rows, difference_strips.draw_scale(axis))


def _comparison_row(
    summary: Summary, metric: Metric, pair: PairComparison, axis: Axis
) -> ComparisonRow:
    return ComparisonRow(
        pair.winner,
        pair.loser,
        tables.verdict(pair),
        pair.is_supported,
        difference_strips.draw_strip(pair, axis, summary.models.index(pair.winner)),
        f"{axis.at(0):.2f}%",
        metric.format_value(pair.lead),
        tables.format_interval(metric, pair.low, pair.high),
    )


def render_sets(summary: Summary) -> Markup:
    """FID, KID and their like, with the count in each cell; nothing where none was measured."""
    set_tables = tables.tabulate_sets(summary)
    return render("sets.html", tables=set_tables, models=summary.models) if set_tables else Markup()


def render_costs(summary: Summary) -> Markup:
    """Time and memory, apart from all that is reproducible; nothing where none was measured."""
    table = tables.tabulate_costs(summary)
    if table is None:
        return Markup()
    plot = plots.plot_times(summary)
    return render("costs.html", table=table, plot=plot, models=summary.models)
