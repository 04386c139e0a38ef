"""Figures for Prometheus, in its text format: https://prometheus.io/docs/instrumenting/exposition_formats/"""

import threading
from collections import defaultdict
from collections.abc import Iterator

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the histograms' steps."""

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Durations, counted by steps."""

    def __init__(self) -> None:
        self.steps = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.sum += seconds
        self.steps[sum(seconds > step for step in SECONDS)] += 1

    def lines(self, name: str, labels: Labels) -> Iterator[str]:
        """The histogram in Prometheus's format: each step counts those below it too."""
        total = 0
        for end, count in zip((*map(str, SECONDS), "+Inf"), self.steps, strict=True):
            total += count
            yield f"{name}_bucket{_braced((*labels, ('le', end)))} {total}"
        yield f"{name}_sum{_braced(labels)} {self.sum:.6f}"
        yield f"{name}_count{_braced(labels)} {total}"


class Counts:
    """What has happened since the server started, safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, Labels], float] = defaultdict(float)
        self._durations: dict[tuple[str, Labels], Histogram] = defaultdict(Histogram)

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Raise a counter."""
        with self._lock:
            self._totals[name, tuple(sorted(labels.items()))] += amount

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request; status 0: the client left before."""
        known = method if method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS") else "other"
        self.add("mendpix_requests_total", method=known, route=route, status=str(status))
        with self._lock:
            self._durations["mendpix_request_seconds", (("route", route),)].add(seconds)

    def fill(self, model: str, state: str, seconds: float) -> None:
        """Count a finished, failed or cancelled fill of one picture."""
        self.add("mendpix_fills_total", model=model, state=state)
        with self._lock:
            self._durations["mendpix_fill_seconds", (("model", model),)].add(seconds)

    def text(self, gauges: dict[str, float]) -> str:
        """All of it, with these values of the moment."""
        with self._lock:
            totals = sorted(self._totals.items())
            lines = [f"# TYPE {name} counter" for name in sorted({key[0] for key, _ in totals})]
            lines += [f"{name}{_braced(labels)} {value:g}" for (name, labels), value in totals]
            durations = sorted(self._durations.items(), key=lambda item: item[0])
            for name in sorted({key[0] for key, _ in durations}):
                lines.append(f"# TYPE {name} histogram")
                for (kind, labels), histogram in durations:
                    if kind == name:
                        lines += histogram.lines(name, labels)
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE {name} gauge", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"


def _braced(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
