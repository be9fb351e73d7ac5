"""For operators and their tools: is the process alive, can it serve, what has it done."""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST

from handlers.small_body import SmallBodyHandler
from storage.domain.errors import ServiceError, Unavailable

_CHECK_SECONDS = 5.0
"""A part that hangs is not ready; whoever asks, asks again every few seconds."""


class HealthHandler(SmallBodyHandler):
    """GET /healthz: 200 while the process lives."""

    public = True
    serves_to_the_end = True

    def get(self) -> None:
        self.write_json({"status": "ok"})


class ReadyHandler(SmallBodyHandler):
    """GET /readyz: 503 without MongoDB's primary or a writable media root, saying which."""

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

    public = True
    serves_to_the_end = True

    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(self.services.metrics.exposition())
