"""Drawing primitives of the SVG plots: axes with round ticks, lines, text and model markers.

Every element is a ``Markup`` template whose ``format`` escapes what is put in.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

SERIES = 8
"""Colours; from the ninth model on they repeat, with hollow markers."""

SHAPES = ("circle", "square", "triangle", "diamond", "down", "cross", "bar", "plus")


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale from values to units of the drawing, with round ticks."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        """Where a value lies; what is beyond an end, or infinite, lies at that end."""
        clipped = min(max(value, self.low), self.high)
        return self.start + (clipped - self.low) / (self.high - self.low) * (self.stop - self.start)

    def ticks(self, wanted: int = 7) -> list[float]:
        """Round values between the ends."""
        step = round_step((self.high - self.low) / wanted)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [step * place for place in range(first, last + 1)]


def round_step(rough: float) -> float:
    """The next of 1, 2, 2.5 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough * 0.999), 10 * power)


def fit_axis(values: Sequence[float], start: float, stop: float, zero: bool = False) -> Axis:
    """An axis that shows all finite values with a margin.

    Args:
        zero: the axis includes 0, and begins there where no value is below.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    bottom = 0.0 if low == 0 and zero else low - margin
    return Axis(bottom, high + margin, start, stop)


def format_tick(value: float, step: float) -> str:
    """A tick's label with the digits that its step needs."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if step >= 1e-6 and round(step * 10**digits, 6) % 1:
        digits += 1
    return f"{value:.{digits}f}".replace("-", "−")


def format_coordinate(value: float) -> str:
    """A coordinate with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def draw_line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A line; ``kind`` is its class in the style sheet."""
    ends = map(format_coordinate, (x1, y1, x2, y2))
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(*ends, kind)


def draw_label(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> Markup:
    """Text at a place."""
    template = Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>')
    return template.format(format_coordinate(x), format_coordinate(y), anchor, kind, text)


def draw_marker(place: int, x: float, y: float, size: float = 5.0) -> Markup:
    """The marker of the model at a place of the list."""
    shape = SHAPES[place % SERIES]
    kind = f"mark m{place % SERIES}" + (" hollow" if place >= SERIES else "")
    if shape == "circle":
        template = Markup('<circle cx="{}" cy="{}" r="{}" class="{}"/>')
        return template.format(*map(format_coordinate, (x, y, size)), kind)
    points = " ".join(f"{x + size * u:.2f},{y + size * v:.2f}" for u, v in _OUTLINES[shape])
    return Markup('<polygon points="{}" class="{}"/>').format(points, kind)


_THIN, _WIDE = 0.38, 1.15
_PLUS = ((-_THIN, -_WIDE), (_THIN, -_WIDE), (_THIN, -_THIN), (_WIDE, -_THIN),
         (_WIDE, _THIN), (_THIN, _THIN), (_THIN, _WIDE), (-_THIN, _WIDE),
         (-_THIN, _THIN), (-_WIDE, _THIN), (-_WIDE, -_THIN), (-_THIN, -_THIN))  # fmt: skip
_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "triangle": ((0, -1.15), (1.1, 0.85), (-1.1, 0.85)),
    "down": ((0, 1.15), (1.1, -0.85), (-1.1, -0.85)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "bar": ((-1.2, -0.55), (1.2, -0.55), (1.2, 0.55), (-1.2, 0.55)),
    "plus": _PLUS,
    "cross": tuple(((u - v) * 0.75, (u + v) * 0.75) for u, v in _PLUS),
}


def draw_sign(place: int) -> Markup:
    """A model's marker alone, to stand in text."""
    box = 'viewBox="0 0 16 16" class="sign" aria-hidden="true" focusable="false"'
    return Markup(f"<svg {box}>{{}}</svg>").format(draw_marker(place, 8, 8, 5.4))


def draw_plot(width: float, height: float, name: str, *parts: Markup) -> Markup:
    """An SVG element with a name for screen readers."""
    template = Markup(
        '<svg viewBox="0 0 {:g} {:g}" class="plot" role="img" aria-label="{}">{}</svg>'
    )
    return template.format(width, height, name, join_markup(parts))


def join_markup(parts: Iterable[str]) -> Markup:
    """Parts one after another; what is no markup is escaped."""
    return Markup().join(parts)
