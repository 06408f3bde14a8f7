"""An answer goes out whole or as a stream, under an id that its routing is found by, and is documented."""

import contextlib
import time

import httpx

from octavo.server.routes.replying import STATUSES, documented, json_response
from octavo.server.routes.schema.replies import Version
from tests.server.live import Live

ASK = {"prompt": "The old captain", "max_tokens": 3, "temperature": 0}


def test_text_goes_out_as_it_is() -> None:
    response = json_response({"a": "ü\u2028"}, {"x-request-id": "1"})
    assert bytes(response.body) == '{"a":"ü\u2028"}'.encode()
    assert response.headers["x-request-id"] == "1"


def test_every_status_is_documented() -> None:
    responses = documented(Version, "it", stream=True)["responses"]
    assert responses.keys() == {200, *STATUSES}
    assert "text/event-stream" in responses[200]["content"]


def test_an_answers_id_is_in_its_headers(mini_server: Live) -> None:
    response = mini_server.post("/v1/completions", **ASK)
    assert response.headers["x-request-id"] == response.json()["id"]
    with mini_server.http.stream("POST", "/v1/completions", json={**ASK, "stream": True}) as streamed:
        assert streamed.headers["x-request-id"] in streamed.read().decode()


def test_a_client_that_left_counts_as_no_refusal(mini_server: Live) -> None:
    counted = mini_server.app.state.observation.metrics
    before, aborted = counted.rejected.total(), counted.finished["abort"]
    with contextlib.suppress(httpx.ReadTimeout):
        mini_server.http.post("/v1/completions", json={**ASK, "max_tokens": 1500, "ignore_eos": True}, timeout=0.3)
        raise AssertionError("it should not have been ready")
    deadline = time.monotonic() + 20
    while counted.finished["abort"] == aborted:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert counted.rejected.total() == before


def test_a_routing_can_be_asked_for_afterwards(mini_server: Live) -> None:
    for stream in (False, True):
        if stream:
            joined = mini_server.joined("/v1/completions", **ASK, routing=True)
        else:
            joined = mini_server.post("/v1/completions", **ASK, routing=True).json()
        kept = mini_server.http.get(f"/v1/routing/{joined['id']}").json()
        assert kept["choices"][0]["routed_experts"] == joined["choices"][0]["routed_experts"]
        assert kept["prompt_routed_experts"] == joined["prompt_routed_experts"]
    plain = mini_server.post("/v1/completions", **ASK).json()
    assert mini_server.http.get(f"/v1/routing/{plain['id']}").status_code == 404
