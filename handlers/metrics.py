"""What operators watch: counters and gauges in Prometheus' names and units."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Seconds: from a JSON answer to a long upload over a phone."""


class Metrics:
    """One registry a server, so that two in one process (tests) do not meet.

    `gathered`: what is shown instead, where this process is one of several.
    """

    def __init__(self, gathered: CollectorRegistry | None = None) -> None:
        self._registry = CollectorRegistry()
        self._shown = gathered or self._registry
        self.requests = Histogram(
            "turantalim_http_request_seconds",
            "Time from the headers of a request to the end of its answer",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._by_answer: dict[tuple[str, str, int], Histogram] = {}
        """`labels` takes a lock and makes a tuple of strings each time."""
        self.uploads = Counter(
            "turantalim_uploads",
            "Uploads by how they ended: created, refused, aborted or failed",
            ["section", "outcome"],
            registry=self._registry,
        )
        self.upload_bytes = Counter(
            "turantalim_upload_bytes", "Body bytes of uploads received", registry=self._registry
        )
        self.uploads_in_flight = Gauge(
            "turantalim_uploads_in_flight",
            "Uploads being received now",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        self.sockets = Gauge(
            "turantalim_sockets", "Open status sockets", multiprocess_mode="livesum", registry=self._registry
        )
        self.publications = Counter(
            "turantalim_publications", "Publications sent, by type", ["type"], registry=self._registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        known = self._by_answer.get((method, route, status))
        if known is None:
            known = self.requests.labels(method, route, str(status))
            self._by_answer[method, route, status] = known
        known.observe(seconds)

    def exposition(self) -> bytes:
        return generate_latest(self._shown)
