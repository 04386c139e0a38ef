"""What plots are drawn with: scales with round ticks, lines, text, and the models' signs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mendpix.evaluation.report.markup import Markup, tag

SERIES = 8
"""Colours; a model after the eighth begins again with hollow points."""

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
        held = min(max(value, self.low), self.high)
        return self.start + (held - self.low) / (self.high - self.low) * (self.stop - self.start)

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


def scaled(values: Sequence[float], start: float, stop: float, zero: bool = False) -> Axis:
    """An axis that shows all finite values with a little air; from or with 0 if asked."""
    held = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(held), max(held)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    air = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    below = 0.0 if low == 0 and zero else low - air
    return Axis(below, high + air, start, stop)


def ticked(value: float, step: float) -> str:
    """A tick's label with the digits that its step needs."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if step >= 1e-6 and round(step * 10**digits, 6) % 1:
        digits += 1
    return f"{value:.{digits}f}".replace("-", "−")


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A line of a kind that the style sheet knows."""
    return tag("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})


def label(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> Markup:
    """Text at a place."""
    return tag("text", {"x": x, "y": y, "text-anchor": anchor, "class": kind or None}, text)


def marker(place: int, x: float, y: float, size: float = 5.0) -> Markup:
    """The sign of the model at a place of the list."""
    shape = SHAPES[place % SERIES]
    kind = f"mark m{place % SERIES}" + (" hollow" if place >= SERIES else "")
    if shape == "circle":
        return tag("circle", {"cx": x, "cy": y, "r": size, "class": kind})
    points = " ".join(f"{x + size * u:.2f},{y + size * v:.2f}" for u, v in _OUTLINES[shape])
    return tag("polygon", {"points": points, "class": kind})


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


def sign(place: int) -> Markup:
    """A model's sign alone, to stand in text."""
    box = {"viewBox": "0 0 16 16", "class": "sign", "aria-hidden": "true", "focusable": "false"}
    return tag("svg", box, marker(place, 8, 8, 5.4))


def drawing(width: float, height: float, name: str, *parts: str) -> Markup:
    """An SVG element that says in words what it shows."""
    box = {"viewBox": f"0 0 {width:g} {height:g}", "class": "plot", "role": "img"}
    return tag("svg", {**box, "aria-label": name}, *parts)
