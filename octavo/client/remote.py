"""A conversation's server: which models it has, whether it tells of routing, and its answers piece by piece."""

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from octavo.client.endpoint import Endpoint, ServerError, read_chunk, refusal, unreachable
from octavo.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingShape:
    """What a server's routing looks like: ``num_layers`` of ``num_experts``."""

    num_layers: int
    num_experts: int


class Remote:
    """One server; a context manager that holds its connections."""

    def __init__(self, endpoint: Endpoint, *, transport: httpx2.BaseTransport | None = None) -> None:
        self.endpoint = endpoint
        self._client = httpx2.Client(**endpoint.options(), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def models(self) -> list[str]:
        """The names that the server answers to, its own first."""
        found = self._get("/v1/models")
        models = found.get("data") if isinstance(found, dict) else None
        listed = models if isinstance(models, list) else []
        names = [each["id"] for each in listed if isinstance(each, dict) and isinstance(each.get("id"), str)]
        if not names:
            raise ServerError(f"{self.endpoint.url}/v1/models names no model: check that it is an OpenAI-like server")
        return names

    def choose_model(self, named: str | None) -> str:
        """The model to ask: the one that is named, else the server's first. Raises RequestError for one it has not."""
        names = self.models()
        if named is None:
            return names[0]
        if named not in names:
            raise RequestError(f"{self.endpoint.url} has no model {named!r:.100}: it has {', '.join(names[:8])}")
        return named

    def routing(self) -> RoutingShape | None:
        """What the server tells of its routing; None where it tells nothing."""
        try:
            found = self._get("/v1/routing/stats")
            layers = found["since_start"]["layers"]
            return RoutingShape(num_layers=len(layers), num_experts=len(layers[0]["expert_share"]))
        except (RequestError, ServerError, KeyError, IndexError, TypeError):
            return None

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """One answer as a whole."""
        with self._reaching():
            return self._read(self._client.post(path, json=body))

    def stream(self, path: str, body: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
        """An answer's chunks as they come; closing the iterator hangs up, by which the server knows to stop.

        Raises RequestError where the request is refused and ServerError where the answer breaks off.
        """
        with self._reaching(), self._client.stream("POST", path, json=body | {"stream": True}) as response:
            if response.is_error:
                raise refusal(response.status_code, response.read(), self.endpoint)
            for event in httpx2.EventSource(response):
                chunk = read_chunk(event.data, self.endpoint)
                if chunk is None:
                    return
                yield chunk
        raise ServerError(f"{self.endpoint.url} broke off in the middle of an answer: look at the server's log")

    def _get(self, path: str) -> Any:
        with self._reaching():
            return self._read(self._client.get(path, timeout=30))

    def _read(self, response: httpx2.Response) -> Any:
        if not response.is_success:
            raise refusal(response.status_code, response.content, self.endpoint)
        try:
            return response.json()
        except ValueError:
            raise ServerError(f"{response.url} answers what is no JSON: check the address") from None

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            raise unreachable(error, self.endpoint) from error
