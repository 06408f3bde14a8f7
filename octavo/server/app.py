"""The application: every route, and the rings around it through which a request comes.

    count refusals > limits > origins > keys > shield > routes

A ring that refuses answers by itself, so what stands further in never sees the request.
"""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

import octavo
from octavo.errors import OctavoError
from octavo.server.answering import Serving
from octavo.server.chat import chat_routes
from octavo.server.completions import completion_routes
from octavo.server.describing import describe
from octavo.server.errors import Shield, fault_of, http_fault, validation_fault
from octavo.server.front import Front
from octavo.server.keys import Gate, Keys
from octavo.server.metrics import Metrics
from octavo.server.models import model_routes
from octavo.server.rejections import CountRejections
from octavo.server.routing_stats import RoutingStats
from octavo.server.service import Service
from octavo.server.settings import ServerSettings
from octavo.server.site import site_routes
from octavo.server.tokens import token_routes


def build_app(service: Service, front: Front, settings: ServerSettings) -> FastAPI:
    """The application in front of one engine; the engine may still be loading."""
    metrics = Metrics(RoutingStats())
    service.observe(metrics.on_step)
    serving = Serving(service=service, front=front, settings=settings, metrics=metrics)
    app = FastAPI(title="Octavo", version=octavo.__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    for routes in (completion_routes, chat_routes, token_routes, model_routes):
        app.include_router(routes(serving))
    if settings.webui:
        app.include_router(site_routes())
    describe(app, settings)
    answer_errors(app)
    # The last to be added is the first that a request comes through.
    app.add_middleware(Shield)
    app.add_middleware(Gate, keys=Keys(settings.api_keys))
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-api-key"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(CountRejections, metrics=metrics)
    return app


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
