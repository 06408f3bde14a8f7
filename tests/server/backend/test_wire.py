"""What goes over the wire comes back as it was."""

import numpy as np
import pytest

from octavo.config import mini
from octavo.engine.params import SamplingParams
from octavo.engine.request import Progress, Request, RoutingRows, TokenLogprobs
from octavo.engine.transfer import HostRouting
from octavo.errors import RequestError
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.link import Deframer, framed
from octavo.server.backend.service import ServiceFacts, ServiceLoad, StepReport
from octavo.server.backend.wire import (
    Plain,
    facts_of,
    facts_to_plain,
    grammar_of,
    grammar_to_plain,
    load_of,
    load_to_plain,
    progress_of,
    progress_to_plain,
    report_of,
    report_to_plain,
    request_of,
    request_to_plain,
)


def sent(plain: Plain | None) -> Plain:
    """What arrives of a plain value."""
    ((_, arrived),) = Deframer().feed(framed(["x", plain]))
    return arrived  # type: ignore[no-any-return]


PARAMS = [
    SamplingParams(),
    SamplingParams(n=3, temperature=0.5, stop=("a", "b"), stop_token_ids=(1, 2), logit_bias={3: -1.5}, seed=-(2**63)),
    SamplingParams(stop="x", max_tokens=None, routing=True, router_logits=True, logprobs=0, min_p=0.1),
]


@pytest.mark.parametrize("params", PARAMS)
def test_a_request(params: SamplingParams) -> None:
    given = Request(
        request_id="é", prompt_token_ids=(1, 2, 40_000), params=params, eos_token_ids=frozenset({2, 7}), cache_salt="s"
    )
    found = request_of(sent(request_to_plain(given)))
    assert (found.request_id, found.prompt_token_ids, found.eos_token_ids) == ("é", (1, 2, 40_000), frozenset({2, 7}))
    assert found.cache_salt == "s"
    assert found.params.stop_strings == params.stop_strings
    assert list(found.params.stop_token_ids or ()) == list(params.stop_token_ids or ())
    for name in ("n", "temperature", "logit_bias", "seed", "max_tokens", "routing", "router_logits", "logprobs"):
        assert getattr(found.params, name) == getattr(params, name), name


def test_parameters_are_checked_where_they_arrive() -> None:
    plain = request_to_plain(Request(request_id="a", prompt_token_ids=(1,), params=SamplingParams()))
    plain[2]["temperature"] = -1.0
    with pytest.raises(RequestError, match="temperature is -1"):
        request_of(sent(plain))


def test_a_grammar() -> None:
    for grammar in (None, GrammarSpec(kind="regex", source="a+")):
        assert grammar_of(sent(grammar_to_plain(grammar))) == grammar


@pytest.mark.parametrize("logits", [False, True])
def test_progress_with_everything(logits: bool) -> None:
    rng = np.random.default_rng(0)
    host = HostRouting(
        rng.integers(-1, 8, (5, 3, 2)).astype(np.int16),
        rng.random((5, 3, 2), np.float32),
        rng.random((5, 3, 8), np.float32) if logits else None,
    )
    given = Progress(
        request_id="r",
        index=1,
        token_id=9,
        logprobs=TokenLogprobs((9, 4), (-0.1, -0.2), 1),
        prompt_logprobs=(TokenLogprobs((1,), (-float("inf"),), 7),),
        routing=RoutingRows(4, host, slice(1, 4), logits),
        finish_reason="stop",
        stop_reason=9,
    )
    found = progress_of(sent(progress_to_plain(given)))
    assert found.routing is not None
    assert given.routing is not None
    for name in ("request_id", "index", "token_id", "logprobs", "prompt_logprobs", "finish_reason", "stop_reason"):
        assert getattr(found, name) == getattr(given, name), name
    assert (found.routing.start, found.routing.count) == (4, 3)
    for ours, theirs in zip(found.routing.arrays(), given.routing.arrays(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_progress_with_nothing() -> None:
    given = Progress(request_id="r", index=0)
    assert progress_of(sent(progress_to_plain(given))) == given


def test_a_load_a_report_and_facts() -> None:
    load = ServiceLoad(running=1, waiting=2, pages_used=3, preemptions=4, failed_steps=5)
    assert load_of(sent(load_to_plain(load))) == load
    counts = np.arange(24).reshape(3, 8)
    for expert_count in (None, counts):
        report = StepReport(
            seconds=0.5, tokens_read=9, prompt_tokens=7, tokens_chosen=2, num_sequences=3, started=("a", "b"),
            expert_count_LE=expert_count, load=load,
        )  # fmt: skip
        found = report_of(sent(report_to_plain(report)))
        if expert_count is None:
            assert found == report
        else:
            np.testing.assert_array_equal(found.expert_count_LE, counts)
            assert found.started == ("a", "b")
    facts = ServiceFacts(
        model_name="m", config=mini(), dtype="float32", device="cpu", max_model_len=9, max_num_seqs=2,
        max_num_batched_tokens=3, max_logprobs=20, page_size=16, num_pages=5, eos_token_ids=frozenset({2, 3}),
        load_seconds=1.5,
    )  # fmt: skip
    assert facts_of(sent(facts_to_plain(facts))) == facts
