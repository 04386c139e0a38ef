"""The page's sections of numbers: a metric by hole size, paired differences, sets, time."""

import re

from mendpix.evaluation.report import difference_strips, plots, tables
from mendpix.evaluation.report.html_tables import data_table, notes, scrolling
from mendpix.evaluation.report.markup import Markup, joined, tag
from mendpix.evaluation.report.summary import Duel, Metric, Summary
from mendpix.evaluation.report.svg import Axis

MANY = 10
"""Pairs beyond which only those of the model with the best mean are drawn."""


def anchor(metric: Metric) -> str:
    """Where a metric's part of the page begins."""
    return "metric-" + re.sub(r"[^A-Za-z0-9]+", "-", metric.name)


def section(summary: Summary) -> Markup:
    """One part per metric."""
    parts = [_metric(summary, metric) for metric in summary.metrics]
    return joined(parts)


def _metric(summary: Summary, metric: Metric) -> Markup:
    title = tag("h3", {"id": anchor(metric)}, metric.heading)
    how = tag("p", {"class": "how"}, metric.how) if metric.how else Markup()
    drawn = tag("figure", None, plots.by_bucket(summary, metric))
    beside = _claims(summary, metric)
    table = data_table(tables.by_bucket(summary, metric), summary, "Means by size of the hole")
    pair = tag("div", {"class": "pair"}, drawn, beside)
    return tag("article", {"class": "metric"}, title, how, pair, table, _by_bucket(summary, metric))


def _claims(summary: Summary, metric: Metric) -> Markup:
    """Who beats whom over all pictures, with each lead and its interval drawn."""
    duels = summary.duels(metric)
    if not duels:
        return Markup()
    whose = ""
    if len(duels) > MANY:
        first = summary.ranked(metric)[0]
        whose = f" of {first}, whose mean is best,"
        duels = [duel for duel in duels if first in (duel.winner, duel.loser)]
    axis = difference_strips.shared_axis(duels)
    rows = [_claim(summary, metric, duel, axis) for duel in duels]
    scale = tag("tr", {"class": "scale"}, tag("td"), tag("td", None, difference_strips.ticks(axis)))
    unit = f" ({metric.unit})" if metric.unit else ""
    heads = ("A beats B", f"by {metric.title}{unit}", "lead, 95 % interval")
    head = tag("tr", None, *(tag("th", {"scope": "col"}, text) for text in heads))
    caption = tag("caption", None, f"Paired differences{whose} over all pictures")
    body = (tag("thead", None, head), tag("tbody", None, *rows), tag("tfoot", None, scale))
    return scrolling(f"{metric.title}: who beats whom", tag("table", {"class": "claims"},
                                                           caption, *body))  # fmt: skip


def _claim(summary: Summary, metric: Metric, duel: Duel, axis: Axis) -> Markup:
    kind = "supported" if duel.supported else "open"
    said = tag("small", {"class": f"verdict {kind}"}, tables.verdict(duel))
    names = (tag("b", None, duel.winner), " beats ", duel.loser)
    numbers = tables.interval(metric, duel.low, duel.high)
    place = summary.models.index(duel.winner)
    return tag(
        "tr",
        None,
        tag("th", {"scope": "row"}, *names, said),
        tag(
            "td",
            {"class": "drawn", "style": f"--zero: {axis.at(0):.2f}%"},
            difference_strips.strip(duel, axis, place),
        ),
        tag("td", None, metric.written(duel.lead), tag("small", None, numbers)),
    )


def _by_bucket(summary: Summary, metric: Metric) -> Markup:
    if len(summary.models) < 2 or not summary.buckets:
        return Markup()
    told = tables.claims(summary, metric)
    name = tag("summary", None, "Paired differences by bucket")
    return tag("details", None, name, data_table(told, summary), notes(told))


def sets(summary: Summary) -> Markup:
    """FID, KID and their like, with the count in each cell."""
    parts = [joined([data_table(told, summary), notes(told)]) for told in tables.sets(summary)]
    return tag("div", {"class": "sets"}, *parts) if parts else Markup()


def costs(summary: Summary) -> Markup:
    """Time and memory, apart from all that repeats."""
    told = tables.costs(summary)
    if told is None:
        return Markup()
    drawn = tag("figure", None, plots.times(summary))
    table = data_table(told, summary, "Seconds a picture, and memory")
    return joined([tag("div", {"class": "pair wide"}, drawn, table), notes(told)])
