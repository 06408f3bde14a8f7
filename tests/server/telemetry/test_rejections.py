"""Every refusal on its way out is counted, and nothing else is."""

import asyncio

import httpx
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from octavo.server.telemetry.metrics import Metrics
from octavo.server.telemetry.rejections import CountRejections
from octavo.server.telemetry.routing_stats import RoutingStats


def test_only_refusals_count() -> None:
    metrics = Metrics(RoutingStats())
    app = FastAPI()

    @app.get("/status/{status}")
    def answer(status: int) -> PlainTextResponse:
        return PlainTextResponse("x", status_code=status)

    app.add_middleware(CountRejections, metrics=metrics)

    async def run() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return [(await client.get(f"/status/{status}")).status_code for status in (200, 429, 503, 302, 499)] + [
                (await client.get("/nowhere")).status_code
            ]

    assert asyncio.run(run()) == [200, 429, 503, 302, 499, 404]
    assert {reason for reason, count in metrics.rejected.items() if count} == {
        "too_many_requests", "service_unavailable", "not_found",
    }  # fmt: skip
