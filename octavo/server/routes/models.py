"""/v1/models, /health, /version and /load: what is served, and how it is."""

from fastapi import APIRouter
from starlette.responses import Response

import octavo
from octavo.server.routes.answering import Serving
from octavo.server.routes.errors import Refused, unavailable
from octavo.server.routes.replying import documented, json_response
from octavo.server.routes.schema.replies import Health, Load, ModelCard, ModelList, Version


def model_routes(serving: Serving) -> APIRouter:
    """The routes; /health and /version are open without a key."""
    router = APIRouter()
    front, service = serving.front, serving.service

    def card(name: str) -> dict[str, object]:
        length = service.facts.max_model_len if service.state == "ready" else None
        head = {"id": name, "object": "model", "created": front.created, "owned_by": "octavo"}
        return {**head, "root": front.names[0], "parent": None, "max_model_len": length}

    @router.get("/v1/models", **documented(ModelList, "the model, once for each of its names"))
    async def models() -> Response:
        """Lists the model under its names."""
        return json_response({"object": "list", "data": [card(name) for name in front.names]})

    @router.get("/v1/models/{model:path}", **documented(ModelCard, "the model"))
    async def model(model: str) -> Response:
        """Gives the model under one of its names."""
        return json_response(card(serving.named(model)))

    @router.get("/health", **documented(Health, "the engine takes requests"))
    async def health() -> Response:
        """Says whether the engine takes requests: 200 where it does, else 503."""
        if service.state != "ready":
            raise Refused(unavailable(f"the engine is {service.state}"))
        return json_response({"status": service.state})

    @router.get("/version", **documented(Version, "the version"))
    async def version() -> Response:
        """Gives the version of Octavo."""
        return json_response({"version": octavo.__version__})

    @router.get("/load", **documented(Load, "the load"))
    async def load() -> Response:
        """Says how much goes on."""
        now = service.load
        return json_response(
            {
                "server_load": now.running + now.waiting,
                "running": now.running,
                "waiting": now.waiting,
                "pages_used": now.pages_used,
                "pages_cached": now.pages_cached,
                "pages_total": now.pages_total,
            }
        )

    return router
