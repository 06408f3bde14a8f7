"""/openapi.json is true: of every route each status that comes, and of every body what it may hold."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from octavo.server.limits import Limits
from octavo.server.routes.front import Front
from octavo.server.settings import ServerSettings
from tests.server.live import Live, live_app
from tests.server.scripted import scripted_service


@pytest.fixture(scope="module")
def closed(front: Front) -> Iterator[Live]:
    """A server with a key and bounds of its own."""
    settings = ServerSettings(api_keys=("a-key",), limits=Limits(max_n=3))
    with live_app(lambda: scripted_service([[5, 6]], vocab_size=8192), front, settings) as live:
        yield live


def described(live: Live) -> dict[str, Any]:
    response = live.http.get("/openapi.json")
    assert response.status_code == 200
    return dict(response.json())


def operations(live: Live) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described(live)["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_reference_leads_somewhere(mini_server: Live) -> None:
    whole = described(mini_server)
    text = json.dumps(whole)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert len(names) > 20
    assert names <= whole["components"]["schemas"].keys()
    assert "HTTPValidationError" not in text


def test_every_route_of_the_contract_is_described(mini_server: Live) -> None:
    wanted = {
        "/v1/models", "/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize", "/tokenizer_info",
        "/health", "/version", "/load", "/metrics", "/v1/routing/stats", "/v1/routing/{request_id}",
    }  # fmt: skip
    assert wanted <= described(mini_server)["paths"].keys()


def test_every_operation_has_its_refusals_and_no_other(mini_server: Live) -> None:
    for path, method, operation in operations(mini_server):
        statuses = set(operation["responses"])
        assert {"200", "401", "405", "408", "413", "431", "500"} <= statuses, (path, method)
        assert "422" not in statuses
        assert method != "post" or {"400", "404", "429", "503"} <= statuses


def test_a_key_is_described_where_it_is_wanted(closed: Live, mini_server: Live) -> None:
    for path, _, operation in operations(closed):
        assert ("security" in operation) == (path not in ("/health", "/version"))
    assert all("security" not in operation for _, _, operation in operations(mini_server))


def test_the_bounds_are_those_of_the_server(closed: Live, mini_server: Live) -> None:
    def most(live: Live) -> int:
        schemas = described(live)["components"]["schemas"]
        return int(schemas["CompletionRequest"]["properties"]["n"]["anyOf"][0]["maximum"])

    assert (most(closed), most(mini_server)) == (3, 16)


def test_requests_allow_no_other_fields(mini_server: Live) -> None:
    schemas = described(mini_server)["components"]["schemas"]
    requests = [name for name in schemas if name.endswith(("Request", "Message", "Format", "Outputs", "Options"))]
    assert len(requests) > 8
    for name in requests:
        assert name == "RoutedRequest" or schemas[name].get("additionalProperties") is False, name


def test_streams_are_described(mini_server: Live) -> None:
    for path in ("/v1/completions", "/v1/chat/completions"):
        content = described(mini_server)["paths"][path]["post"]["responses"]["200"]["content"]
        assert content.keys() == {"application/json", "text/event-stream"}
