"""Describing: /openapi.json, with the bounds that this server keeps and the key that it wants, where it wants one."""

from typing import Any

from fastapi import FastAPI

from octavo.server.routes.keys import is_public
from octavo.server.routes.schema.bounds import describe_bounds
from octavo.server.settings import ServerSettings

REQUESTS = ("CompletionRequest", "ChatRequest", "TokenizeRequest")


def describe(app: FastAPI, settings: ServerSettings) -> None:
    """Lets ``app`` describe itself as ``settings`` have it; made when it is first asked for, then kept."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = adapted(plain(), settings)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def adapted(described: dict[str, Any], settings: ServerSettings) -> dict[str, Any]:
    """The framework's description with what is ours: bounds, keys, and no status that cannot come."""
    schemas = described.get("components", {}).get("schemas", {})
    for name in REQUESTS:
        describe_bounds(schemas.get(name, {}), settings.limits)
    # A body that does not fit its schema is a 400 here.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if settings.api_keys:
        described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in described["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if settings.api_keys and not is_public(path):
                operation["security"] = [{"key": []}]
    return described
