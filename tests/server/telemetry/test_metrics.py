"""A request's tokens, ends and times are counted once, as its client counts them."""

import pytest

from octavo.api.drafts import RequestDraft
from octavo.config import mini
from octavo.engine.params import SamplingParams
from octavo.engine.request import FinishReason, Progress, Request
from octavo.errors import RequestError
from octavo.server.backend.service import EngineDead, ServiceLoad, StepReport
from octavo.server.telemetry import metric_names as names
from octavo.server.telemetry.metric_names import Metric
from octavo.server.telemetry.metrics import Metrics
from octavo.server.telemetry.routing_stats import RoutingStats


class Bench:
    """Metrics with a clock that is set by hand, and one request's draft."""

    def __init__(self, **params: object) -> None:
        self.now = 100.0
        self.metrics = Metrics(RoutingStats(), clock=lambda: self.now)
        self.request = Request(request_id="a", prompt_token_ids=(1, 2, 3), params=SamplingParams(**params))  # type: ignore[arg-type]
        self.draft = RequestDraft(self.request, mini(), prompt=None, spell=lambda _: None, decoder=lambda: None)

    def says(self, token: int | None, *, index: int = 0, end: FinishReason | None = None) -> None:
        self.draft.take(Progress(request_id="a", index=index, token_id=token, finish_reason=end))

    def steps(self, *, seconds: float, started: tuple[str, ...] = ()) -> None:
        load = ServiceLoad()
        self.metrics.on_step(
            StepReport(
                seconds=seconds, tokens_read=7, prompt_tokens=3, tokens_chosen=1, num_sequences=1, started=started,
                expert_count_LE=None, load=load,
            )
        )  # fmt: skip

    def total(self, metric: Metric) -> tuple[int, float]:
        found = self.metrics.distributions[metric.name]
        return found.count, round(found.total, 9)


def test_a_request_s_life_becomes_its_times() -> None:
    bench = Bench(max_tokens=3)
    with bench.metrics.watch(bench.request) as watch:
        bench.now += 2.0
        bench.steps(seconds=0.5, started=("a",))
        bench.says(5)
        watch.saw(bench.draft)
        bench.now += 1.0
        bench.says(6)
        watch.saw(bench.draft)
        bench.now += 3.0
        bench.says(7, end="length")
        watch.saw(bench.draft)
    assert bench.total(names.FIRST_TOKEN_SECONDS) == (1, 2.0)
    assert bench.total(names.QUEUE_SECONDS) == (1, 1.5)
    assert bench.total(names.PREFILL_SECONDS) == (1, 0.5)
    assert bench.total(names.DECODE_SECONDS) == (1, 4.0)
    assert bench.total(names.INFERENCE_SECONDS) == (1, 4.5)
    assert bench.total(names.REQUEST_SECONDS) == (1, 6.0)
    assert bench.total(names.BETWEEN_SECONDS) == bench.total(names.OUTPUT_TOKEN_SECONDS) == (2, 4.0)
    assert bench.total(names.MEAN_TOKEN_SECONDS) == (1, 2.0)
    assert bench.total(names.REQUEST_PROMPT) == bench.total(names.REQUEST_GENERATION) == (1, 3)
    assert bench.total(names.PARAMS_MAX_TOKENS) == (1, 3)
    assert bench.total(names.ITERATION_TOKENS) == (1, 7)
    assert (bench.metrics.prompt_tokens, bench.metrics.generation_tokens) == (3, 3)
    assert bench.metrics.finished == {"stop": 0, "length": 1, "abort": 0, "error": 0}


def test_receipt_may_lie_before_the_watch() -> None:
    bench = Bench()
    with bench.metrics.watch(bench.request, arrived=90.0) as watch:
        bench.says(5, end="stop")
        watch.saw(bench.draft)
    assert bench.total(names.FIRST_TOKEN_SECONDS) == (1, 10.0)


def test_tokens_that_come_together_share_their_time() -> None:
    bench = Bench()
    with bench.metrics.watch(bench.request) as watch:
        bench.says(5)
        watch.saw(bench.draft)
        bench.now += 3.0
        for token in (6, 7, 8):
            bench.says(token)
        watch.saw(bench.draft)
    assert bench.total(names.BETWEEN_SECONDS) == (3, 3.0)
    assert bench.metrics.distributions[names.BETWEEN_SECONDS.name].buckets()[-5][1] == 3.0


def test_every_output_ends_once_and_the_prompt_counts_once() -> None:
    bench = Bench(n=2)
    with bench.metrics.watch(bench.request) as watch:
        bench.says(5, index=0, end="stop")
        watch.saw(bench.draft)
        bench.says(5, index=1)
        bench.says(6, index=1, end="length")
        watch.saw(bench.draft)
        watch.saw(bench.draft)
    assert bench.metrics.finished == {"stop": 1, "length": 1, "abort": 0, "error": 0}
    assert (bench.metrics.prompt_tokens, bench.metrics.generation_tokens) == (3, 3)
    assert bench.total(names.REQUEST_SECONDS)[0] == bench.total(names.PARAMS_N)[0] == 1
    assert bench.total(names.REQUEST_MOST) == (1, 2)


def test_a_client_that_went_away_is_an_abort_and_has_no_latency() -> None:
    bench = Bench(n=2)
    with bench.metrics.watch(bench.request) as watch:
        bench.says(5)
        watch.saw(bench.draft)
    assert bench.metrics.finished["abort"] == 2
    assert bench.total(names.REQUEST_SECONDS)[0] == 0


def test_who_left_the_queue_had_no_prompt_read() -> None:
    bench = Bench()
    with bench.metrics.watch(bench.request):
        pass
    assert (bench.metrics.prompt_tokens, bench.metrics.finished["abort"]) == (0, 1)


def test_a_dead_engine_is_an_error() -> None:
    bench = Bench()
    with pytest.raises(EngineDead), bench.metrics.watch(bench.request):
        raise EngineDead("the engine is dead")
    assert bench.metrics.finished["error"] == 1


def test_what_the_engine_refuses_is_no_output() -> None:
    bench = Bench()
    with pytest.raises(RequestError), bench.metrics.watch(bench.request):
        raise RequestError("no such grammar")
    assert sum(bench.metrics.finished.values()) == 0


def test_a_prompt_that_is_only_read_counts_too() -> None:
    bench = Bench(max_tokens=0)
    with bench.metrics.watch(bench.request) as watch:
        bench.says(None, end="length")
        watch.saw(bench.draft)
    assert (bench.metrics.prompt_tokens, bench.metrics.generation_tokens) == (3, 0)
    assert bench.total(names.REQUEST_SECONDS)[0] == 1
    assert bench.total(names.FIRST_TOKEN_SECONDS)[0] == bench.total(names.PREFILL_SECONDS)[0] == 0


def test_refusals_are_named_by_their_status() -> None:
    metrics = Metrics(RoutingStats())
    for status in (429, 429, 413, 418):
        metrics.rejected_with(status)
    assert {reason: count for reason, count in metrics.rejected.items() if count} == {
        "too_many_requests": 2,
        "content_too_large": 1,
        "status_418": 1,
    }
