"""Strips: paired differences drawn into the rows of a table, all on one scale, in percent."""

import math
from collections.abc import Sequence

from mendpix.evaluation.report.markup import Markup, tag
from mendpix.evaluation.report.summary import Duel
from mendpix.evaluation.report.svg import SERIES, Axis, scaled, ticked

HEIGHT = 22  # pixels


def shared_axis(duels: Sequence[Duel]) -> Axis:
    """The scale that all strips of a metric share, from 0 to 100 % of their width."""
    reach = [v for duel in duels for v in (duel.lead, duel.low, duel.high)]
    return scaled([0.0, *reach], 0, 100, zero=True)


def strip(duel: Duel, axis: Axis, place: int) -> Markup:
    """A lead with its interval against 0; hollow where the data does not support it."""
    kind = f"m{place % SERIES}"
    middle = HEIGHT / 2
    parts = []
    if math.isfinite(duel.low) and math.isfinite(duel.high):
        ends = {"x1": _at(axis, duel.low), "x2": _at(axis, duel.high), "y1": middle, "y2": middle}
        parts.append(tag("line", {**ends, "class": f"whisker thick {kind}"}))
    hollow = "" if duel.supported else " hollow"
    spot = {"cx": _at(axis, duel.lead), "cy": middle, "r": 5, "class": f"mark {kind}{hollow}"}
    return _drawn(HEIGHT, *parts, tag("circle", spot))


def ticks(axis: Axis) -> Markup:
    """The scale below the strips."""
    places = axis.ticks(3)
    step = places[1] - places[0] if len(places) > 1 else 1.0
    parts = [tag("line", {"x1": "0%", "x2": "100%", "y1": 0.5, "y2": 0.5, "class": "axis"})]
    for place in places:
        x = _at(axis, place)
        parts.append(tag("line", {"x1": x, "x2": x, "y1": 0, "y2": 5, "class": "axis"}))
        text = {"x": x, "y": 18, "text-anchor": "middle", "class": "tick"}
        parts.append(tag("text", text, ticked(place, step)))
    return _drawn(24, *parts)


def _at(axis: Axis, value: float) -> str:
    return f"{axis.at(value):.2f}%"


def _drawn(height: int, *parts: str) -> Markup:
    return tag("svg", {"class": "strip", "height": height, "aria-hidden": "true"}, *parts)
