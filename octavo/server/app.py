"""The application: every route, and the rings around it through which a request comes.

    count refusals > origins > keys > guards > shield > routes

A ring that refuses answers by itself, so what stands further in never sees the request.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Scope

import octavo
from octavo.errors import OctavoError
from octavo.server.backend.service import Service
from octavo.server.edge.guards import guarded
from octavo.server.edge.overload import Places, address_of
from octavo.server.limits import Limits
from octavo.server.routes.answering import Serving
from octavo.server.routes.chat import chat_routes
from octavo.server.routes.completions import completion_routes
from octavo.server.routes.describing import describe
from octavo.server.routes.errors import Shield, fault_of, http_fault, validation_fault
from octavo.server.routes.front import Front
from octavo.server.routes.keys import Gate, Keys, owner_of
from octavo.server.routes.models import model_routes
from octavo.server.routes.observing import Observation, observation_routes, open_observation
from octavo.server.routes.site import site_routes
from octavo.server.routes.tokens import token_routes
from octavo.server.settings import ServerSettings
from octavo.server.telemetry.rejections import CountRejections

JSON_PATHS = frozenset({"/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"})
COSTLY_PATHS = frozenset({"/v1/completions", "/v1/chat/completions"})


def build_app(service: Service, front: Front, settings: ServerSettings) -> FastAPI:
    """The application in front of one engine, which may still be loading.

    ``app.state.observation`` counts what it does. Raises ConfigError or TraceError for settings that cannot be kept.
    """
    observation = open_observation(service, front, settings)
    serving = Serving(
        service=observation.service,
        front=front,
        settings=settings,
        metrics=observation.metrics,
        routing_log=observation.routing_log,
    )
    app = FastAPI(
        title="Octavo",
        version=octavo.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda app: _closing(observation),
    )
    app.state.observation = observation
    for routes in (completion_routes, chat_routes, token_routes, model_routes):
        app.include_router(routes(serving))
    app.include_router(observation_routes(observation))
    if settings.webui:
        app.include_router(site_routes())
    describe(app, settings)
    answer_errors(app)
    surround(app, observation, settings)
    return app


@asynccontextmanager
async def _closing(observation: Observation) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(observation.close)


def surround(app: FastAPI, observation: Observation, settings: ServerSettings) -> None:
    """Puts the rings around the routes, from the innermost to the outermost."""
    limits = settings.limits
    app.add_middleware(Shield)
    app.add_middleware(
        guarded,
        limits=limits,
        places=Places(settings.engine.max_num_seqs + limits.max_queue),
        json_paths=JSON_PATHS,
        costly_paths=COSTLY_PATHS,
        client_of=client_of,
        weigh=lambda body: num_sequences(body, limits),
    )
    app.add_middleware(Gate, keys=Keys(settings.api_keys))
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-api-key"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(CountRejections, metrics=observation.metrics)


def client_of(scope: Scope) -> Hashable:
    """Who asks, so that places can be shared among clients: by key where one was brought, else by address."""
    return owner_of(scope) or address_of(scope)


def num_sequences(body: object, limits: Limits) -> int:
    """How many outputs a body asks for, n for each prompt; 1 where it is about to be refused for its numbers."""
    if not isinstance(body, dict):
        return 1
    n, prompt = body.get("n"), body.get("prompt")
    several = isinstance(prompt, list) and prompt and not isinstance(prompt[0], int)
    count = (n if isinstance(n, int) else 1) * (len(prompt) if isinstance(prompt, list) and several else 1)
    return count if 1 <= count <= limits.max_sequences else 1


def answer_errors(app: FastAPI) -> None:
    """Gives every refusal inside the application our form."""

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return validation_fault(error.errors()).response()

    async def refused(request: Request, error: Exception) -> Response:
        return fault_of(error).response()

    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return http_fault(error).response(error.headers)

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(OctavoError, refused)
    app.add_exception_handler(HTTPException, unknown)
