"""SVG plots: metrics by bucket with their intervals, and times; also as files of their own."""

import math
from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.summary import Metric, Summary
from mendpix.evaluation.report.svg import (
    SERIES,
    Axis,
    draw_label,
    draw_line,
    draw_marker,
    draw_plot,
    fit_axis,
    format_tick,
    join_markup,
)
from mendpix.evaluation.results import ALL
from mendpix.evaluation.statistics import Estimate

WIDTH, HEIGHT = 640, 430
LEFT, RIGHT, TOP = 62, 10, 36  # margins of the plotting area
BOTTOM, DEEP = 58, 130  # below it, with labels that lie flat or slanted
FLAT = 110  # signs that labels of columns may have in sum to lie flat
EDGE = 14  # around a plot that is a file of its own
SPREAD = 0.62  # the share of a bucket's column over which the models' points lie


def plot_buckets(summary: Summary, metric: Metric) -> Markup:
    """Means of each model in each bucket and over all pictures, with their intervals."""
    name = f"{metric.heading} by bucket of hole size; the table below holds all numbers"
    return draw_plot(WIDTH, HEIGHT, name, _draw_content(summary, metric))


def _draw_content(summary: Summary, metric: Metric) -> Markup:
    estimates = [[summary.estimate(m, metric, b) for b in summary.columns] for m in summary.models]
    values = [v for cells in estimates for e in cells for v in (e.mean, e.low, e.high)]
    axis = fit_axis(values, HEIGHT - (DEEP if _labels_slant(summary) else BOTTOM), TOP)
    direction = "higher is better" if metric.higher else "lower is better"
    unit = f" ({metric.unit})" if metric.unit else ""
    title = draw_label(0, 15, f"{metric.title}{unit}, {direction}", "name", "start")
    series = [
        _draw_means(summary, metric, axis, place, cells) for place, cells in enumerate(estimates)
    ]
    return join_markup([title, _draw_frame(summary, axis), *series])


def _draw_means(
    summary: Summary, metric: Metric, axis: Axis, place: int, cells: Sequence[Estimate]
) -> Markup:
    """One model's points, joined over the buckets."""
    model = summary.models[place]
    shift = SPREAD * ((place + 0.5) / len(summary.models) - 0.5)
    points, joint = [], []
    for n, (bucket, cell) in enumerate(zip(summary.columns, cells, strict=True)):
        if math.isnan(cell.mean):
            continue
        x = LEFT + _column_width(summary) * (n + 0.5 + shift)
        interval = tables.format_interval(metric, cell.low, cell.high)
        text = (
            f"{model}, {tables.bucket_label(bucket)}: {metric.format_value(cell.mean)} {interval}"
        )
        points.append(_draw_point(place, x, axis, cell, text.strip()))
        if bucket != ALL:
            joint.append(f"{x:.2f},{axis.at(cell.mean):.2f}")
    template = Markup('<path d="M{}" class="joint m{}"/>')
    path = [template.format(" L".join(joint), place % SERIES)] if len(joint) > 1 else []
    return _draw_series(place, *path, *points)


def _column_width(summary: Summary) -> float:
    """The width of a bucket's column."""
    return (WIDTH - LEFT - RIGHT) / len(summary.columns)


def _draw_series(place: int, *parts: Markup) -> Markup:
    template = Markup('<g class="series" data-model="{}">{}</g>')
    return template.format(place, join_markup(parts))


def _draw_point(place: int, x: float, axis: Axis, cell: Estimate, text: str) -> Markup:
    kind = f"whisker m{place % SERIES}"
    parts = [Markup("<title>{}</title>").format(text)]
    if math.isfinite(cell.low) and math.isfinite(cell.high):
        top, bottom = axis.at(cell.high), axis.at(cell.low)
        parts.append(draw_line(x, top, x, bottom, kind))
        parts += [draw_line(x - 3, y, x + 3, y, kind) for y in (top, bottom)]
    parts.append(draw_marker(place, x, axis.at(cell.mean)))
    return Markup('<g class="point">{}</g>').format(join_markup(parts))


def _draw_frame(summary: Summary, axis: Axis) -> Markup:
    """Grid, ticks and column names; a dotted line sets the column of all pictures apart."""
    ticks, width = axis.ticks(), _column_width(summary)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    parts = []
    for tick in ticks:
        y = axis.at(tick)
        parts.append(draw_line(LEFT, y, WIDTH - RIGHT, y, "grid"))
        parts.append(draw_label(LEFT - 8, y, format_tick(tick, step), "tick middle", "end"))
    parts += [_draw_column(summary, axis, place) for place in range(len(summary.columns))]
    if summary.buckets:
        end = LEFT + width * len(summary.buckets)
        parts.append(draw_line(end, TOP, end, axis.start, "apart"))
        middle = LEFT + width * len(summary.buckets) / 2
        shares = all(bucket.startswith("(") for bucket in summary.buckets)
        name = "hole (% of the picture)" if shares else "hole"
        parts.append(draw_label(middle, HEIGHT - 10, name, "name"))
    parts.append(draw_line(LEFT, axis.start, WIDTH - RIGHT, axis.start, "axis"))
    return join_markup(parts)


def _column_names(summary: Summary) -> list[str]:
    """Column names, without the unit that the axis names."""
    shares = [tables.bucket_label(bucket).replace(" %", "") for bucket in summary.buckets]
    return [*shares, "all"]


def _labels_slant(summary: Summary) -> bool:
    names = _column_names(summary)
    return max(map(len, names)) * len(names) > FLAT


def _draw_column(summary: Summary, axis: Axis, place: int) -> Markup:
    name = _column_names(summary)[place]
    x, y = LEFT + _column_width(summary) * (place + 0.5), axis.start + 20
    if not _labels_slant(summary):
        return draw_label(x, y, name, "tick")
    template = Markup('<g transform="translate({:.2f} {:.2f}) rotate(-40)">{}</g>')
    return template.format(x + 4, y - 4, draw_label(0, 0, name, "tick", "end"))


def plot_times(summary: Summary) -> Markup:
    """Seconds a picture on a logarithmic scale: every picture, and the median; or nothing."""
    seconds = {
        (place, model): [
            c.seconds for c in summary.results.costs if c.model == model and c.seconds > 0
        ]
        for place, model in enumerate(summary.models)
    }
    known = {key: values for key, values in seconds.items() if values}
    if not known:
        return Markup()
    exponents = [math.log10(value) for values in known.values() for value in values]
    row, left, top = 34, 26, 10
    height = top + row * len(known) + 44
    axis = Axis(math.floor(min(exponents)), math.ceil(max(exponents) + 1e-9), left, WIDTH - 26)
    parts = [_draw_decades(axis, height - 44)]
    for n, ((place, model), values) in enumerate(known.items()):
        parts.append(_draw_times(place, model, values, axis, top + row * (n + 0.5)))
    parts.append(draw_label((left + WIDTH - RIGHT) / 2, height - 6, "seconds a picture", "name"))
    return draw_plot(WIDTH, height, "seconds a picture by model, logarithmic", *parts)


def _draw_decades(axis: Axis, bottom: float) -> Markup:
    parts = []
    for power in range(round(axis.low), round(axis.high) + 1):
        x = axis.at(power)
        parts.append(draw_line(x, 10, x, bottom, "grid"))
        parts.append(draw_label(x, bottom + 18, f"{10.0**power:g}", "tick"))
    return join_markup(parts)


def _draw_times(place: int, model: str, values: Sequence[float], axis: Axis, y: float) -> Markup:
    """One model's row: a tick for each of at most some 200 pictures, and the median's marker."""
    _, median, _ = tables.quartiles(values)
    kind = f"rug m{place % SERIES}"
    ordered = sorted(values)
    sampled = ordered[:: max(1, len(ordered) // 200)]  # keeps the page small
    places = [axis.at(math.log10(value)) for value in sampled]
    rug = [draw_line(x, y - 7, x, y + 7, kind) for x in places]
    text = f"{model}: median {tables.format_seconds(median)} s"
    title = Markup("<title>{}</title>").format(text)
    marker = draw_marker(place, axis.at(math.log10(median)), y, 6.5)
    return _draw_series(place, title, *rug, marker)


_FILE = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
    'width="{width:g}" height="{height:g}" role="img" aria-label="{name}">'
    "<style>{style}</style>"
    '<rect width="{width:g}" height="{height:g}" class="paper"/>'
    '<g transform="translate({edge} {edge})">{plot}</g>'
    '<g transform="translate({edge} {below})">{legend}</g></svg>\n'
)


def draw_file(summary: Summary, metric: Metric) -> str:
    """A plot by bucket as a file: with the models' names, a background and a style of its own."""
    style = (files("mendpix.evaluation.report") / "assets" / "plots.css").read_text("utf-8")
    legend, legend_height = _draw_legend(summary)
    svg = _FILE.format(
        width=WIDTH + 2 * EDGE,
        height=HEIGHT + legend_height + 2 * EDGE,
        name=metric.heading,
        style=Markup(style),
        edge=EDGE,
        below=EDGE + HEIGHT,
        plot=_draw_content(summary, metric),
        legend=legend,
    )
    return str(svg)


def _draw_legend(summary: Summary) -> tuple[Markup, float]:
    """Markers with names, in rows, and their height."""
    x, y = 0.0, 16.0
    parts = []
    for place, model in enumerate(summary.models):
        width = 34 + 7.6 * len(model)  # about what the name takes in the file's font
        if x + width > WIDTH and x > 0:
            x, y = 0.0, y + 24
        parts.append(draw_marker(place, x + 8, y))
        parts.append(draw_label(x + 20, y, model, "name middle", "start"))
        x += width
    return join_markup(parts), y + 12
