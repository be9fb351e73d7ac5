"""Health over a real connection."""

from __future__ import annotations

import pytest

from tests import openapi


@pytest.mark.gen_test
async def test_is_alive_and_ready(base_url: str) -> None:
    async with openapi.client(base_url) as client:
        alive, ready = await client.get("/healthz"), await client.get("/readyz/")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "mongodb": "ok", "media": "ok"})


@pytest.mark.gen_test
async def test_counts_requests_in_the_prometheus_format(base_url: str) -> None:
    async with openapi.client(base_url) as client:
        await client.get("/healthz")
        metrics = await client.get("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain; version=")
    assert (
        'turantalim_http_request_seconds_count{method="GET",route="HealthHandler",status="200"} 1.0'
        in metrics.text
    )
