"""Paired differences drawn into the rows of a table, all on one axis.

Horizontal coordinates are percent of the strip's width, so that a strip stretches with its cell.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup

from mendpix.evaluation.report.summary import PairComparison
from mendpix.evaluation.report.svg import SERIES, Axis, fit_axis, format_tick, join_markup

HEIGHT = 22  # pixels

_WHISKER = Markup('<line x1="{}" x2="{}" y1="11" y2="11" class="whisker thick {}"/>')
_SPOT = Markup('<circle cx="{}" cy="11" r="5" class="mark {}"/>')
_BASELINE = Markup('<line x1="0%" x2="100%" y1="0.5" y2="0.5" class="axis"/>')
_TICK = Markup(
    '<line x1="{0}" x2="{0}" y1="0" y2="5" class="axis"/>'
    '<text x="{0}" y="18" text-anchor="middle" class="tick">{1}</text>'
)
_STRIP = Markup('<svg class="strip" height="{}" aria-hidden="true">{}</svg>')


def fit_shared_axis(comparisons: Sequence[PairComparison]) -> Axis:
    """The axis that all strips of a metric share, from 0 to 100 % of their width."""
    values = [v for pair in comparisons for v in (pair.lead, pair.low, pair.high)]
    return fit_axis([0.0, *values], 0, 100, zero=True)


def draw_strip(comparison: PairComparison, axis: Axis, place: int) -> Markup:
    """A lead with its interval; hollow where the data does not support it."""
    kind = f"m{place % SERIES}"
    parts = []
    if math.isfinite(comparison.low) and math.isfinite(comparison.high):
        ends = (_locate(axis, comparison.low), _locate(axis, comparison.high))
        parts.append(_WHISKER.format(*ends, kind))
    hollow = "" if comparison.is_supported else " hollow"
    parts.append(_SPOT.format(_locate(axis, comparison.lead), kind + hollow))
    return _STRIP.format(HEIGHT, join_markup(parts))


def draw_scale(axis: Axis) -> Markup:
    """The ticks below the strips."""
    places = axis.ticks(3)
    step = places[1] - places[0] if len(places) > 1 else 1.0
    ticks = [_TICK.format(_locate(axis, place), format_tick(place, step)) for place in places]
    return _STRIP.format(24, join_markup([_BASELINE, *ticks]))


def _locate(axis: Axis, value: float) -> str:
    return f"{axis.at(value):.2f}%"
