"""The routes that tell of a server's work tell the truth of it, to whoever may know."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from octavo import LLM
from octavo.analysis.store import RouteTrace
from octavo.errors import TraceError
from octavo.server.backend.service import ServiceLoad
from octavo.server.routes.front import Front, make_front
from octavo.server.routes.observing import open_observation
from octavo.server.routes.schema.routing import RoutedRequest, RoutingStatsReply
from octavo.server.settings import ServerSettings, TraceSettings
from tests.engine.serving import tiny
from tests.server.live import Live, live_server
from tests.server.still import StillService

PROMPT = "The old man and the"


@pytest.fixture
def fresh(mini: LLM, front: Front) -> Iterator[Live]:
    """A server that nobody has asked anything yet."""
    with live_server(mini.engine.runner.model, front, eos_token_ids=frozenset({2}), page_size=16) as live:
        yield live


def counted(http: httpx.Client, name: str) -> dict[tuple[str, ...], float]:
    """A metric's samples by the labels that are its own."""
    found = {}
    for family in text_string_to_metric_families(http.get("/metrics").text):
        for sample in family.samples:
            if sample.name == name:
                own = {key: value for key, value in sample.labels.items() if key not in ("model_name", "engine")}
                found[tuple(own.values())] = sample.value
    return found


def test_metrics_count_what_the_client_is_told(fresh: Live) -> None:
    prompt = completion = 0
    reasons: dict[str, int] = {}
    for n, most in ((1, 5), (3, 2), (1, 1)):
        answer = fresh.post("/v1/completions", prompt=PROMPT, n=n, max_tokens=most, seed=1).json()
        prompt += answer["usage"]["prompt_tokens"]
        completion += answer["usage"]["completion_tokens"]
        for choice in answer["choices"]:
            reasons[choice["finish_reason"]] = reasons.get(choice["finish_reason"], 0) + 1
    assert counted(fresh.http, "octavo:prompt_tokens_total") == {(): prompt}
    assert counted(fresh.http, "octavo:generation_tokens_total") == {(): completion}
    finished = counted(fresh.http, "octavo:request_success_total")
    assert {reason[0]: count for reason, count in finished.items() if count} == reasons
    assert counted(fresh.http, "octavo:e2e_request_latency_seconds_count") == {(): 3}
    assert counted(fresh.http, "octavo:request_queue_time_seconds_count") == {(): 3}


def test_names_keep_their_colon_whatever_format_a_scraper_would_rather_have(fresh: Live) -> None:
    """As Prometheus asks: in OpenMetrics the library would write an underscore, and no board would find a thing."""
    asked = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}
    answer = fresh.http.get("/metrics", headers=asked)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "\noctavo:num_requests_running{" in answer.text


def test_statistics_are_those_of_the_tokens_that_were_read(fresh: Live, mini: LLM) -> None:
    empty = RoutingStatsReply.model_validate(fresh.http.get("/v1/routing/stats").json())
    assert [layer.tokens for layer in empty.since_start.layers] == [0] * mini.config.num_layers
    answer = fresh.post("/v1/completions", prompt=PROMPT, max_tokens=6, temperature=0, routing=True).json()
    experts = np.array([*answer["prompt_routed_experts"], *answer["choices"][0]["routed_experts"][:-1]])
    stats = RoutingStatsReply.model_validate(fresh.http.get("/v1/routing/stats").json())
    for load in (stats.since_start, stats.window):
        for layer in load.layers:
            counts = np.bincount(experts[:, layer.layer].ravel(), minlength=mini.config.num_experts)
            assert layer.tokens == len(experts)
            np.testing.assert_allclose(layer.expert_share, counts / counts.sum())
            share = counts[counts > 0] / counts.sum()
            assert layer.entropy_bits == pytest.approx(-(share * np.log2(share)).sum())
            assert layer.max_violation == pytest.approx(counts.max() / counts.mean() - 1)
    selections = counted(fresh.http, "octavo:moe_expert_selection_counter_total")
    assert sum(selections.values()) == experts.size


@pytest.mark.parametrize("stream", [False, True])
def test_a_finished_request_s_routing_is_what_its_answer_said(fresh: Live, stream: bool) -> None:
    fields = {"prompt": PROMPT, "max_tokens": 5, "temperature": 0, "routing": True}
    said = fresh.post("/v1/completions", **fields).json()
    if stream:
        chunks = list(fresh.client.completions.create(
            model="octavo-mini", prompt=PROMPT, max_tokens=5, temperature=0, stream=True, extra_body={"routing": True}
        ))  # fmt: skip
        found = fresh.http.get(f"/v1/routing/{chunks[0].id}").json()
    else:
        found = fresh.http.get(f"/v1/routing/{said['id']}").json()
    RoutedRequest.model_validate(found)
    for name in ("prompt_token_ids", "prompt_routed_experts", "prompt_routed_weights"):
        assert found[name] == said[name], name
    for name in ("token_ids", "routed_experts", "routed_weights"):
        assert found["choices"][0][name] == said["choices"][0][name], name


def test_the_routing_of_chats_of_several_prompts_and_of_stop_strings_is_kept_as_it_was_said(fresh: Live) -> None:
    asked: list[tuple[str, dict[str, object]]] = [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}], "n": 2}),
        ("/v1/completions", {"prompt": [PROMPT, "import"], "n": 2}),
        ("/v1/completions", {"prompt": PROMPT, "stop": ["a"], "max_tokens": 40}),
    ]
    names = ("token_ids", "routed_experts", "routed_weights", "router_logits")
    kept = {f"{prefix}{name}" for prefix in ("", "prompt_") for name in names}
    for path, fields in asked:
        said = fresh.post(path, **{"max_tokens": 4, **fields}, routing=True, router_logits=True).json()
        found = fresh.http.get(f"/v1/routing/{said['id']}").json()
        RoutedRequest.model_validate(found)
        assert {name: said[name] for name in kept & set(said)} == {name: found[name] for name in kept & set(found)}
        for one, other in zip(said["choices"], found["choices"], strict=True):
            assert {**{name: one[name] for name in kept & set(one)}, "index": one["index"]} == other
            assert len(other["token_ids"]) == len(other["routed_experts"]) == len(other["router_logits"])


def test_routing_that_was_not_asked_for_is_not_kept(fresh: Live) -> None:
    said = fresh.post("/v1/completions", prompt=PROMPT, max_tokens=2).json()
    answer = fresh.http.get(f"/v1/routing/{said['id']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "routing_not_found")


def test_only_who_sent_a_request_sees_its_routing(mini: LLM, front: Front) -> None:
    settings = ServerSettings(api_keys=("alice-alice", "bob-bob-bob"))
    with live_server(mini.engine.runner.model, front, settings=settings) as live:
        said = live.post("/v1/completions", prompt=PROMPT, max_tokens=2, routing=True).json()
        path = f"/v1/routing/{said['id']}"
        bob = {"authorization": "Bearer bob-bob-bob"}
        assert live.http.get(path).status_code == 200
        assert live.http.get(path, headers=bob).status_code == 404
        assert httpx.get(live.url + path).status_code == 401
        assert httpx.get(f"{live.url}/metrics").status_code == 401
        assert counted(live.http, "octavo:requests_rejected_total")["unauthorized",] == 2


def test_traffic_is_traced_where_it_is_asked_for(mini: LLM, front: Front, tmp_path: Path) -> None:
    settings = ServerSettings(trace=TraceSettings(folder=tmp_path))
    with live_server(mini.engine.runner.model, front, settings=settings, page_size=16) as live:
        said = live.post("/v1/completions", prompt=PROMPT, max_tokens=4, routing=True, temperature=0).json()
        live.post("/v1/chat/completions", messages=[{"role": "user", "content": "Hello"}], max_tokens=3)
    (path,) = tmp_path.iterdir()
    trace = RouteTrace.open(path)
    assert trace.domains == ("chat", "completions")
    (chunk,) = trace.chunks(domains=["completions"])
    experts = [*said["prompt_routed_experts"], *said["choices"][0]["routed_experts"][:-1]]
    assert chunk.expert_LTK.transpose(1, 0, 2)[:-1].tolist() == experts
    assert chunk.token_T is None


def test_a_trace_of_a_dense_model_is_refused(tmp_path: Path) -> None:
    front = make_front(("dense",), tiny(num_experts=0, num_experts_per_tok=0, hidden_dim=45).config, None)
    with pytest.raises(TraceError, match=r"dense has no experts.*leave --trace-dir out"):
        open_observation(StillService(ServiceLoad()), front, ServerSettings(trace=TraceSettings(folder=tmp_path)))
    assert list(tmp_path.iterdir()) == []
