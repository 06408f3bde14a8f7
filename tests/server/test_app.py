"""The application as a whole: its rings in their order, other origins, bodies it will not read, nothing left behind."""

from collections.abc import Iterator
from typing import Any

import pytest

from octavo.model import Transformer
from octavo.server.app import build_app, client_of, num_sequences
from octavo.server.limits import Limits
from octavo.server.routes.front import Front, make_front
from octavo.server.settings import ServerSettings
from tests.server.live import Live, live_app, live_server
from tests.server.scripted import ScriptedService, scripted_service

ORIGIN = "https://page.example"
ASK = {"prompt": [1, 2], "max_tokens": 2}


@pytest.fixture(scope="module")
def open_to_origin(front: Front) -> Iterator[Live]:
    settings = ServerSettings(api_keys=("a-key",), allowed_origins=(ORIGIN,))
    with live_app(lambda: scripted_service([[5, 6]], vocab_size=8192), front, settings) as live:
        yield live


def test_other_origins_may_not_read_unless_they_are_named(mini_server: Live, open_to_origin: Live) -> None:
    for live, origin, allowed in (
        (mini_server, ORIGIN, None),
        (open_to_origin, ORIGIN, ORIGIN),
        (open_to_origin, "https://other.example", None),
        (open_to_origin, "null", None),
    ):
        response = live.http.get("/v1/models", headers={"origin": origin})
        assert response.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in response.headers


def test_a_preflight_is_answered_without_a_key_and_opens_nothing(open_to_origin: Live) -> None:
    asks = {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    response = open_to_origin.http.options("/v1/completions", headers={**asks, "authorization": ""})
    assert response.status_code == 200
    assert open_to_origin.service.asked == []


def test_a_refusal_may_be_read_by_a_named_origin_too(open_to_origin: Live) -> None:
    response = open_to_origin.http.get("/v1/models", headers={"origin": ORIGIN, "authorization": "Bearer wrong"})
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == ORIGIN


def test_the_page_is_served_unless_it_is_not_wanted(mini_server: Live, front: Front) -> None:
    assert mini_server.http.get("/").headers["content-security-policy"]
    with live_app(lambda: scripted_service([[5]]), front, ServerSettings(webui=False)) as live:
        assert live.http.get("/").status_code == 404


def test_refusals_are_counted_whoever_refused(front: Front) -> None:
    settings = ServerSettings(api_keys=("a-key",), limits=Limits(max_body_bytes=2000))
    with live_app(lambda: scripted_service([[5, 6]], vocab_size=8192), front, settings) as live:
        live.http.get("/v1/models", headers={"authorization": "Bearer wrong"})
        live.post("/v1/completions", prompt="x" * 3000)
        live.post("/v1/completions", prompt="x", n=0)
        counted = live.app.state.observation.metrics.rejected
    assert (counted["unauthorized"], counted["content_too_large"], counted["bad_request"]) == (1, 1, 1)


def test_what_was_asked_before_leaves_no_trace(sparse: Transformer) -> None:
    front = make_front(("tiny",), sparse.config, None)

    def answer(live: Live, **asked: Any) -> Any:
        return live.post("/v1/completions", **{**ASK, "max_tokens": 8, "temperature": 0, **asked}).json()["choices"]

    with live_server(sparse, front) as fresh, live_server(sparse, front) as used:
        for asked in (
            {"logit_bias": {"3": 100}},
            {"repetition_penalty": 5.0},
            {"prompt": [[9] * 30, [1, 2]], "seed": 1, "temperature": 1, "n": 4},
            {"presence_penalty": 2.0, "min_tokens": 8, "stop_token_ids": [1, 2, 3]},
        ):
            answer(used, **asked)
        assert answer(used, logprobs=3) == answer(fresh, logprobs=3)


def test_the_number_of_outputs_is_counted_before_anything_is_read() -> None:
    limits = Limits()
    for body, count in (
        ({"prompt": "x"}, 1),
        ({"prompt": "x", "n": 3}, 3),
        ({"prompt": [1, 2, 3], "n": 2}, 2),
        ({"prompt": ["a", "b"], "n": 2}, 4),
        ({"prompt": [[1], [2], [3]]}, 3),
        ({"messages": [], "n": 4}, 4),
        ({"n": 10**9}, 1),
        ({"n": -1}, 1),
        ({"n": "x"}, 1),
        ([], 1),
        (None, 1),
    ):
        assert num_sequences(body, limits) == count, body


def test_clients_are_told_apart_by_key_or_address() -> None:
    scope = {"type": "http", "headers": [], "client": ("10.0.0.1", 5)}
    assert client_of(scope) == "10.0.0.1"
    assert client_of({**scope, "headers": [(b"x-api-key", b"k")]}) not in ("10.0.0.1", b"")


def test_an_application_can_be_built_before_its_engine_is_ready(front: Front) -> None:
    service = ScriptedService([[5]], vocab_size=8192)
    service.state = "loading"
    assert build_app(service, front, ServerSettings()).openapi()["paths"]
