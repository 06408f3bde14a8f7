"""Observing: who counts, keeps and records what one application does, opened together, and the routes that tell of it.

observation = open_observation(service, front, settings)
serving = Serving(service=observation.service, metrics=observation.metrics, ...)
app.include_router(observation_routes(observation))
app.add_middleware(CountRejections, metrics=observation.metrics)        the outermost
observation.close()                                                     when the last request is answered
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response, StreamingResponse

from octavo.errors import TraceError
from octavo.server.backend.service import Service
from octavo.server.routes.errors import Fault, Refused
from octavo.server.routes.front import Front
from octavo.server.routes.keys import owner_of
from octavo.server.routes.replying import documented, json_response
from octavo.server.routes.schema.routing import RoutedRequest, RoutingStatsReply
from octavo.server.settings import ServerSettings
from octavo.server.telemetry.exposition import CONTENT_TYPE, Exposition
from octavo.server.telemetry.metrics import Metrics
from octavo.server.telemetry.recording import RecordingService
from octavo.server.telemetry.routing_log import RoutingLog
from octavo.server.telemetry.routing_stats import RoutingStats
from octavo.server.telemetry.trace_facts import live_manifest, spelling_of
from octavo.server.telemetry.traffic import Traffic

STATUSES = (400, 401, 405, 408, 413, 431, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """``service`` is the engine as requests are to reach it: where there is ``traffic``, it is overheard."""

    service: Service
    metrics: Metrics
    exposition: Exposition
    routing_log: RoutingLog
    traffic: Traffic | None = None

    def close(self) -> None:
        """Writes the trace to its end, which may take a while."""
        if self.traffic is not None:
            self.traffic.close()


def open_observation(service: Service, front: Front, settings: ServerSettings) -> Observation:
    """Begins to count what ``service`` does, and to record it where ``settings.trace`` names a folder.

    Raises TraceError where that folder cannot be written, and for a dense model, which routes nothing.
    """
    config = front.config
    metrics = Metrics(RoutingStats((config.num_layers, config.num_experts) if config.is_sparse else (0, 0)))
    service.observe(metrics.on_step)
    traffic, overheard = None, service
    if settings.trace.folder is not None:
        if not front.config.is_sparse:
            raise TraceError(f"{front.names[0]} has no experts, so nothing is routed: leave --trace-dir out")
        traffic = Traffic(
            settings.trace.folder,
            lambda: live_manifest(service.facts, settings, front.tokenizer),
            spelling=spelling_of(settings, front.tokenizer),
        )
        overheard = RecordingService(service, traffic.put, sample=settings.trace.sample)
    exposition = Exposition(
        service,
        metrics,
        model_name=front.names[0],
        prefix=settings.metrics_prefix,
        traced=None if traffic is None else traffic.counts,
    )
    return Observation(
        service=overheard, metrics=metrics, exposition=exposition, routing_log=RoutingLog(), traffic=traffic
    )


def observation_routes(observation: Observation) -> APIRouter:
    """/metrics, /v1/routing/stats and /v1/routing/{request_id}; the last answers only who sent the request."""
    router = APIRouter()
    statistics = documented(RoutingStatsReply, "each layer's load")
    routed = documented(RoutedRequest, "how the request was routed")
    described = documented(RoutingStatsReply, "")
    described["responses"][200] = {
        "description": "metrics in Prometheus' text format",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }

    @router.get("/metrics", response_class=Response, **described)
    async def metrics() -> Response:
        """Gives all metrics, in the text format that every scraper reads."""
        return Response(observation.exposition.render(), headers={"content-type": CONTENT_TYPE})

    @router.get("/v1/routing/stats", **statistics)
    async def routing_stats() -> Response:
        """Says how evenly each layer's experts are used, since the start and in the last minute."""
        return json_response(observation.metrics.stats.wire())

    @router.get("/v1/routing/{request_id}", **routed)
    async def routing_of(request_id: Annotated[str, Path(max_length=256)], request: Request) -> Response:
        """Gives how a finished request was routed that asked for its routing, if it is not too long ago."""
        entry = observation.routing_log.find(request_id, owner=owner_of(request.scope))
        if entry is None:
            message = "no routing is kept under this id: it is kept for a while of requests sent with routing: true"
            raise Refused(Fault(status=404, message=message, param="request_id", code="routing_not_found"))
        # Made into JSON in a thread, between the pieces of which the event loop gets its turn.
        pieces: Iterator[bytes] = entry.pieces()
        return StreamingResponse(pieces, media_type="application/json")

    return router
