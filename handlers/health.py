"""For operators and their tools: is the process alive, can it serve, what has it done."""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST

from handlers.protocol.answer_models import Error, Health, Readiness
from handlers.protocol.operations import Bytes, Documented, Json, Operation
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import ServiceError, Unavailable

_CHECK_SECONDS = 5.0
"""A part that hangs is not ready; whoever asks, asks again every few seconds."""


class HealthHandler(SmallBodyHandler):
    """GET /healthz: 200 while the process lives."""

    documented = Documented(
        "/healthz", tag="operation", get=Operation("Is the process alive?", {200: Json(Health)})
    )
    public = True
    serves_to_the_end = True

    def get(self) -> None:
        self.write_json({"status": "ok"})


class ReadyHandler(SmallBodyHandler):
    """GET /readyz: 503 without MongoDB's primary or a writable media root, saying which."""

    documented = Documented(
        "/readyz",
        tag="operation",
        get=Operation(
            "Can it serve?",
            {200: Json(Readiness), 503: Json(Readiness | Error)},
            description="503 without MongoDB's primary or a writable media root; an `Error` while it stops.",
        ),
    )
    public = True

    async def get(self) -> None:
        checks = {
            "mongodb": self.services.database.primary_time,
            "media": self.services.vault.check_writable,
        }
        parts = {}
        for name, check in checks.items():
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    await check()
                parts[name] = "ok"
            except ServiceError as error:
                parts[name] = error.code
            except TimeoutError:
                parts[name] = Unavailable.code
        ready = set(parts.values()) == {"ok"}
        self.write_json({"status": "ready" if ready else "not ready", **parts}, 200 if ready else 503)


class MetricsHandler(SmallBodyHandler):
    """GET /metrics, in the Prometheus text format."""

    documented = Documented(
        "/metrics",
        tag="operation",
        get=Operation("Metrics for Prometheus", {200: Bytes((CONTENT_TYPE_LATEST.partition(";")[0],))}),
    )
    public = True
    serves_to_the_end = True

    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(self.services.metrics.exposition())
