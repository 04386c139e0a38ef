"""Metrics of the server for Prometheus: requests, fills, jobs and stored pictures."""

from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms' buckets."""

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")

GAUGES = {
    "mendpix_jobs_waiting": "Jobs in the queues",
    "mendpix_jobs_running": "Jobs that run",
    "mendpix_pictures": "Pictures in memory",
    "mendpix_picture_bytes": "Size of these pictures' files",
    "mendpix_ready": "1 when the server takes work",
}


class ServerMetrics:
    """Counters, histograms and gauges in a registry of their own; safe to use from threads."""

    def __init__(self) -> None:
        # No second series, *_created, beside each counter.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mendpix_requests_total",
            "Answered requests; status 0: the client left before",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._request_seconds = self._histogram("request", "route")
        self._fills = Counter(
            "mendpix_fills_total",
            "Filled pictures, by outcome",
            ("model", "state"),
            registry=self.registry,
        )
        self._fill_seconds = self._histogram("fill", "model")
        self._gauges = {
            name: Gauge(name, text, registry=self.registry) for name, text in GAUGES.items()
        }

    def _histogram(self, subject: str, label: str) -> Histogram:
        return Histogram(
            f"mendpix_{subject}_seconds",
            f"Duration of a {subject}",
            (label,),
            registry=self.registry,
            buckets=SECONDS,
        )

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request; status 0: the client left before."""
        # A client may invent methods; each label value is a series that is kept for ever.
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def count_fill(self, model: str, state: str, seconds: float) -> None:
        """Count a finished, failed or cancelled fill of one picture."""
        self._fills.labels(model, state).inc()
        self._fill_seconds.labels(model).observe(seconds)

    def render(self, gauges: Mapping[str, float]) -> str:
        """All metrics in Prometheus's text format, with these current values of the gauges."""
        for name, value in gauges.items():
            self._gauges[name].set(value)
        return generate_latest(self.registry).decode()
