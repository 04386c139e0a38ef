"""Strips: paired differences drawn into the rows of a table, all on one scale."""

import math
from collections.abc import Sequence

from mendpix.evaluation.report.markup import Markup, tag
from mendpix.evaluation.report.summary import Duel
from mendpix.evaluation.report.svg import SERIES, Axis, label, line, scaled, ticked

STRIP = 240.0
"""Width of a strip of a paired difference, in its own units; it is stretched as needed."""


def shared_axis(duels: Sequence[Duel]) -> Axis:
    """The scale that all strips of a metric share."""
    reach = [v for duel in duels for v in (duel.lead, duel.low, duel.high)]
    return scaled([0.0, *reach], 0, STRIP, zero=True)


def strip(duel: Duel, axis: Axis, place: int) -> Markup:
    """A lead with its interval against 0; hollow where the data does not support it."""
    middle = 11.0
    kind = f"whisker m{place % SERIES}"
    parts = []
    if math.isfinite(duel.low) and math.isfinite(duel.high):
        parts.append(line(axis.at(duel.low), middle, axis.at(duel.high), middle, kind + " thick"))
    hollow = "" if duel.supported else " hollow"
    spot = {
        "cx": axis.at(duel.lead),
        "cy": middle,
        "r": 5,
        "class": f"mark m{place % SERIES}{hollow}",
    }
    parts.append(tag("circle", spot))
    return _drawn(22, *parts)


def ticks(axis: Axis) -> Markup:
    """The scale below the strips."""
    ticks = axis.ticks(3)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    parts = [line(0, 0.5, STRIP, 0.5, "axis")]
    for tick in ticks:
        x = axis.at(tick)
        text = ticked(tick, step)
        anchor = "start" if x < 14 else "end" if x > STRIP - 14 else "middle"
        parts += [line(x, 0, x, 5, "axis"), label(x, 18, text, "tick", anchor)]
    return _drawn(24, *parts)


def _drawn(height: float, *parts: str) -> Markup:
    box = {"viewBox": f"0 0 {STRIP:g} {height:g}", "class": "strip", "aria-hidden": "true"}
    return tag("svg", box, *parts)
