"""Plots as SVG: measures by bucket with their intervals, and time; also as files of their own."""

import math
from collections.abc import Sequence
from importlib.resources import files

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.markup import Markup, joined, tag
from mendpix.evaluation.report.summary import Metric, Summary
from mendpix.evaluation.report.svg import SERIES, Axis, drawing, label, line, marker, scaled, ticked
from mendpix.evaluation.results import ALL
from mendpix.evaluation.statistics import Estimate

WIDTH, HEIGHT = 640, 430
LEFT, RIGHT, TOP = 62, 10, 36  # margins of the plotting area
BOTTOM, DEEP = 58, 130  # below it, with labels that lie flat or slanted
FLAT = 110  # signs that labels of columns may have in sum to lie flat
EDGE = 14  # around a plot that is a file of its own
SPREAD = 0.62  # the share of a bucket's column over which the models' points lie


def by_bucket(summary: Summary, metric: Metric) -> Markup:
    """Means of each model in each bucket and over all pictures, with their intervals."""
    found = {m: [summary.estimate(m, metric, b) for b in summary.columns] for m in summary.models}
    reach = [v for cells in found.values() for e in cells for v in (e.mean, e.low, e.high)]
    axis = scaled(reach, HEIGHT - (DEEP if _slanted(summary) else BOTTOM), TOP)
    way = "higher is better" if metric.higher else "lower is better"
    unit = f" ({metric.unit})" if metric.unit else ""
    upright = label(0, 15, f"{metric.title}{unit}, {way}", "name", "start")
    series = [
        _means(summary, metric, axis, place, cells) for place, cells in enumerate(found.values())
    ]
    name = f"{metric.heading} by bucket of hole size; the table below holds all numbers"
    return drawing(WIDTH, HEIGHT, name, upright, _frame(summary, axis), *series)


def _means(
    summary: Summary, metric: Metric, axis: Axis, place: int, cells: Sequence[Estimate]
) -> Markup:
    """One model's points, joined over the buckets."""
    model = summary.models[place]
    shift = SPREAD * ((place + 0.5) / len(summary.models) - 0.5)
    points, joint = [], []
    for n, (bucket, cell) in enumerate(zip(summary.columns, cells, strict=True)):
        if math.isnan(cell.mean):
            continue
        x = LEFT + _wide(summary) * (n + 0.5 + shift)
        span = tables.interval(metric, cell.low, cell.high)
        text = f"{model}, {tables.share(bucket)}: {metric.written(cell.mean)} {span}"
        points.append(_point(place, x, axis, cell, text.strip()))
        if bucket != ALL:
            joint.append(f"{x:.2f},{axis.at(cell.mean):.2f}")
    path = tag("path", {"d": "M" + " L".join(joint), "class": f"joint m{place % SERIES}"})
    return _series(place, *([path] if len(joint) > 1 else []), *points)


def _wide(summary: Summary) -> float:
    """The width of a bucket's column."""
    return (WIDTH - LEFT - RIGHT) / len(summary.columns)


def _series(place: int, *parts: Markup) -> Markup:
    return tag("g", {"class": "series", "data-model": place}, *parts)


def _point(place: int, x: float, axis: Axis, cell: Estimate, text: str) -> Markup:
    kind = f"whisker m{place % SERIES}"
    parts = [tag("title", None, text)]
    if math.isfinite(cell.low) and math.isfinite(cell.high):
        top, bottom = axis.at(cell.high), axis.at(cell.low)
        parts += [line(x, top, x, bottom, kind)]
        parts += [line(x - 3, y, x + 3, y, kind) for y in (top, bottom)]
    return tag("g", {"class": "point"}, *parts, marker(place, x, axis.at(cell.mean)))


def _frame(summary: Summary, axis: Axis) -> Markup:
    """Grid, ticks and names of the columns; the last, of all pictures, stands apart."""
    ticks, wide = axis.ticks(), _wide(summary)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    parts = []
    for tick in ticks:
        y = axis.at(tick)
        parts.append(line(LEFT, y, WIDTH - RIGHT, y, "grid"))
        parts.append(label(LEFT - 8, y, ticked(tick, step), "tick middle", "end"))
    parts += [_column(summary, axis, place) for place in range(len(summary.columns))]
    if summary.buckets:
        apart = LEFT + wide * len(summary.buckets)
        parts.append(line(apart, TOP, apart, axis.start, "apart"))
        middle = LEFT + wide * len(summary.buckets) / 2
        shares = all(bucket.startswith("(") for bucket in summary.buckets)
        name = "hole (% of the picture)" if shares else "hole"
        parts.append(label(middle, HEIGHT - 10, name, "name"))
    parts.append(line(LEFT, axis.start, WIDTH - RIGHT, axis.start, "axis"))
    return joined(parts)


def _names(summary: Summary) -> list[str]:
    """Of the columns, without the unit that the axis names."""
    named = [tables.share(bucket).replace(" %", "") for bucket in summary.buckets]
    return [*named, "all"]


def _slanted(summary: Summary) -> bool:
    names = _names(summary)
    return max(map(len, names)) * len(names) > FLAT


def _column(summary: Summary, axis: Axis, place: int) -> Markup:
    name = _names(summary)[place]
    x, y = LEFT + _wide(summary) * (place + 0.5), axis.start + 20
    if not _slanted(summary):
        return label(x, y, name, "tick")
    turned = {"transform": f"translate({x + 4:.2f} {y - 4:.2f}) rotate(-40)"}
    return tag("g", turned, label(0, 0, name, "tick", "end"))


def times(summary: Summary) -> Markup:
    """Seconds a picture on a logarithmic scale: every picture, and the median; or nothing."""
    held = {
        (place, model): [
            c.seconds for c in summary.results.costs if c.model == model and c.seconds > 0
        ]
        for place, model in enumerate(summary.models)
    }
    known = {key: values for key, values in held.items() if values}
    if not known:
        return Markup()
    reach = [math.log10(value) for values in known.values() for value in values]
    row, left, top = 34, 26, 10
    height = top + row * len(known) + 44
    axis = Axis(math.floor(min(reach)), math.ceil(max(reach) + 1e-9), left, WIDTH - 26)
    parts = [_decades(axis, height - 44)]
    for n, ((place, model), values) in enumerate(known.items()):
        parts.append(_row(place, model, values, axis, top + row * (n + 0.5)))
    parts.append(label((left + WIDTH - RIGHT) / 2, height - 6, "seconds a picture", "name"))
    return drawing(WIDTH, height, "seconds a picture by model, logarithmic", *parts)


def _decades(axis: Axis, bottom: float) -> Markup:
    parts = []
    for power in range(round(axis.low), round(axis.high) + 1):
        x = axis.at(power)
        parts += [line(x, 10, x, bottom, "grid"), label(x, bottom + 18, f"{10.0**power:g}", "tick")]
    return joined(parts)


def _row(place: int, model: str, values: Sequence[float], axis: Axis, y: float) -> Markup:
    """At most 200 of the pictures' ticks, the whole span, and the median's sign."""
    _, middle, _ = tables.spread(values)
    kind = f"m{place % SERIES}"
    ordered = sorted(values)
    shown = ordered[:: max(1, len(ordered) // 200)]
    marks = [line(axis.at(math.log10(v)), y - 7, axis.at(math.log10(v)), y + 7, f"rug {kind}")
             for v in shown]  # fmt: skip
    text = tag("title", None, f"{model}: median {tables.seconds(middle)} s")
    return _series(place, text, *marks, marker(place, axis.at(math.log10(middle)), y, 6.5))


def alone(summary: Summary, metric: Metric) -> str:
    """A plot by bucket as a file: with the models' names, a background and a style of its own."""
    svg = by_bucket(summary, metric)
    inner = Markup(svg[svg.index(">") + 1 : svg.rindex("</svg>")])
    style = (files("mendpix.evaluation.report") / "assets" / "plots.css").read_text("utf-8")
    legend, below = _legend(summary)
    wide, total = WIDTH + 2 * EDGE, HEIGHT + below + 2 * EDGE
    parts = [
        tag("style", None, Markup(style)),
        tag("rect", {"width": wide, "height": total, "class": "paper"}),
        tag("g", {"transform": f"translate({EDGE} {EDGE})"}, inner),
        tag("g", {"transform": f"translate({EDGE} {EDGE + HEIGHT})"}, legend),
    ]
    box = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {wide:g} {total:g}"}
    size = {"width": wide, "height": total, "role": "img", "aria-label": metric.heading}
    return str(tag("svg", {**box, **size}, *parts)) + "\n"


def _legend(summary: Summary) -> tuple[Markup, float]:
    """Signs with names, in rows, and their height."""
    x, y = 0.0, 16.0
    parts = []
    for place, model in enumerate(summary.models):
        wide = 34 + 7.6 * len(model)
        if x + wide > WIDTH and x > 0:
            x, y = 0.0, y + 24
        parts += [marker(place, x + 8, y), label(x + 20, y, model, "name middle", "start")]
        x += wide
    return joined(parts), y + 12
