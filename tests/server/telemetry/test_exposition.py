"""What /metrics says can be read by Prometheus' own reader, and is what was counted."""

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from octavo.server.backend.service import ServiceLoad, State, StepReport
from octavo.server.telemetry.exposition import Exposition
from octavo.server.telemetry.metric_names import METRICS
from octavo.server.telemetry.metrics import Metrics
from octavo.server.telemetry.routing_stats import RoutingStats
from tests.server.still import StillService


def step(count_LE: list[list[int]], load: ServiceLoad) -> StepReport:
    return StepReport(
        seconds=0.003, tokens_read=4, prompt_tokens=4, tokens_chosen=1, num_sequences=1, started=(),
        expert_count_LE=np.array(count_LE), load=load,
    )  # fmt: skip


def exposed(prefix: str = "octavo", state: State = "ready", traced: dict[str, int] | None = None) -> str:
    load = ServiceLoad(
        running=2, waiting=3, pages_used=25, pages_total=100, preemptions=4, prefix_queries=9, prefix_hits=7
    )
    metrics = Metrics(RoutingStats())
    metrics.on_step(step([[4, 4], [8, 0]], load))
    metrics.prompt_tokens = 12
    metrics.rejected_with(429)
    exposition = Exposition(StillService(load, state), metrics, model_name='a "b"', prefix=prefix, traced=traced)
    return exposition.render().decode()


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name not in ("model_name", "engine")}
            assert (sample.labels["model_name"], sample.labels["engine"]) == ('a "b"', "0")
            found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


def test_every_metric_is_there() -> None:
    text = exposed(traced={"recorded": 1, "lost": 0})
    kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    assert kinds == {f"octavo:{metric.shown}": metric.kind for metric in METRICS}


def test_numbers_are_what_was_counted() -> None:
    found = values(exposed())
    assert found["octavo:num_requests_running", ()] == 2
    assert found["octavo:num_requests_waiting", ()] == 3
    assert found["octavo:kv_cache_usage_perc", ()] == 0.25
    assert found["octavo:num_preemptions_total", ()] == 4
    assert found["octavo:prefix_cache_queries_total", ()] == 9
    assert found["octavo:prefix_cache_hits_total", ()] == 7
    assert found["octavo:prompt_tokens_total", ()] == 12
    assert found["octavo:requests_rejected_total", (("reason", "too_many_requests"),)] == 1
    assert found["octavo:requests_rejected_total", (("reason", "service_unavailable"),)] == 0
    assert found["octavo:moe_expert_selection_counter_total", (("expert", "0"), ("layer", "1"))] == 8
    assert found["octavo:router_entropy", (("layer", "0"),)] == 1
    assert found["octavo:expert_load_cv", (("layer", "1"),)] == 1
    assert found["octavo:iteration_tokens_total_bucket", (("le", "4.0"),)] == 1
    assert found["octavo:iteration_tokens_total_bucket", (("le", "2.0"),)] == 0
    assert found["octavo:engine_step_seconds_sum", ()] == 0.003


def test_the_cache_stands_in_its_labels() -> None:
    labels = {
        "block_size": "16",
        "num_gpu_blocks": "99",
        "cache_dtype": "float32",
        "max_model_len": "256",
    }
    assert values(exposed())["octavo:cache_config_info", tuple(sorted(labels.items()))] == 1


def test_before_a_model_is_open_nothing_is_said_of_it() -> None:
    assert "cache_config_info" not in exposed(state="loading")


def test_boards_made_for_vllm_find_their_names() -> None:
    text = exposed("vllm")
    assert "octavo:" not in text
    assert values(text)["vllm:prompt_tokens_total", ()] == 12


def test_two_applications_do_not_share_their_counts() -> None:
    """Registries of their own: in the library's global one the second would be refused as a duplicate."""
    assert values(exposed()) == values(exposed())
