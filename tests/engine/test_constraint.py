"""A constraint holds in its own rows, however tokens are chosen, and whatever it does to itself harms nobody else."""

from collections.abc import Callable

import numpy as np
import pytest

from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.request import Request
from octavo.model import Transformer
from tests.engine.serving import drive, prompts_of, request, serve

WIDTH = 97


class Steps:
    """Allows at its i-th token those that are i modulo ``period``; after ``length`` tokens it has ended."""

    def __init__(self, period: int = 5, length: int | None = None, fault: Callable[[int], None] | None = None) -> None:
        self.period, self.length, self.fault = period, length, fault
        self.num_accepted = 0

    def fresh(self) -> "Steps":
        return Steps(self.period, self.length, self.fault)

    def allowed(self) -> np.ndarray:
        if self.fault is not None:
            self.fault(self.num_accepted)
        if self.num_accepted == self.length:
            return np.zeros(WIDTH, bool)
        return np.array([token % self.period == self.num_accepted % self.period for token in range(WIDTH)])

    def accept(self, token_id: int) -> None:
        assert token_id % self.period == self.num_accepted % self.period
        self.num_accepted += 1


def constrained(given: Request, constraint: Steps) -> Request:
    return Request(
        request_id=given.request_id, prompt_token_ids=given.prompt_token_ids, params=given.params,
        eos_token_ids=given.eos_token_ids, constraint=constraint,
    )  # fmt: skip


def engine_of(model: Transformer, **limits: int) -> Engine:
    return Engine(model, EngineConfig(**{"page_size": 4, "num_pages": 1000, **limits}))  # type: ignore[arg-type]


WAYS: list[dict[str, object]] = [
    {"temperature": 0.0},
    {"seed": 1},
    {"seed": 1, "top_k": 3, "top_p": 0.5},
    {"seed": 1, "min_p": 0.2},
    {"temperature": 0.0, "logit_bias": {50: 100.0}, "repetition_penalty": 2.0},
    {"seed": 3, "n": 3, "frequency_penalty": 1.0},
]


@pytest.mark.parametrize("params", WAYS)
def test_only_allowed_tokens_come_and_neighbours_are_as_they_were(
    sparse: Transformer, params: dict[str, object]
) -> None:
    prompts = prompts_of(4)
    alone = serve(sparse, prompts, params)
    asked = [request(prompt, str(place), (), **params) for place, prompt in enumerate(prompts)]
    asked[1], asked[3] = constrained(asked[1], Steps()), constrained(asked[3], Steps(7))
    found = drive(engine_of(sparse), asked)
    for place, period in ((1, 5), (3, 7)):
        for tokens in found[place].token_ids.values():
            assert [token % period for token in tokens] == [step % period for step in range(16)]
    for place in (0, 2):
        assert found[place].token_ids == alone[place].token_ids


def test_a_preempted_output_goes_on_where_its_constraint_was(sparse: Transformer) -> None:
    prompts = prompts_of(6, longest=20)
    asked = [
        constrained(request(prompt, str(place), seed=place, max_tokens=30), Steps())
        for place, prompt in enumerate(prompts)
    ]
    tight = engine_of(sparse, num_pages=24)
    found = drive(tight, asked)
    assert tight.scheduler.num_preempted > 0
    assert [one.token_ids for one in found] == [one.token_ids for one in drive(engine_of(sparse), asked)]


def test_an_output_stops_where_nothing_may_follow(sparse: Transformer) -> None:
    asked = [
        constrained(request([1], "a", logprobs=1), Steps(length=3)),
        constrained(request([1], "b", max_tokens=3), Steps(length=3)),
        constrained(request([1], "c"), Steps(length=0)),
    ]
    ended, cut, empty = drive(engine_of(sparse), asked)
    assert len(ended.token_ids[0]) == len(cut.token_ids[0]) == len(ended.logprobs[0]) == 3
    assert empty.token_ids == {}
    assert empty.ends[0] == ("stop", None)
    assert (ended.ends[0], cut.ends[0]) == (("stop", None), ("length", None))


def test_logprobs_are_those_without_it(sparse: Transformer) -> None:
    plain, held = drive(
        engine_of(sparse),
        [
            request([1, 2], "a", temperature=0.0, logprobs=5, max_tokens=1),
            constrained(request([1, 2], "b", temperature=0.0, logprobs=5, max_tokens=1), Steps()),
        ],
    )
    assert plain.logprobs[0][0].token_ids[1:] == held.logprobs[0][0].token_ids[1:]
    assert held.logprobs[0][0].token_ids[0] % 5 == 0


def broken(after: int) -> Callable[[int], None]:
    def fault(num_accepted: int) -> None:
        if num_accepted >= after:
            raise ValueError("a fault of its own")

    return fault


@pytest.mark.parametrize("tokens", [0, 4])
def test_a_fault_ends_its_own_output_only(sparse: Transformer, tokens: int) -> None:
    prompts = prompts_of(3)
    asked = [request(prompt, str(place), seed=9) for place, prompt in enumerate(prompts)]
    asked[1] = constrained(asked[1], Steps(fault=broken(tokens)))
    found = drive(engine_of(sparse), asked)
    assert found[1].ends[0] == ("error", None)
    assert len(found[1].token_ids.get(0, [])) == tokens
    alone = serve(sparse, prompts, {"seed": 9})
    assert [found[place].token_ids for place in (0, 2)] == [alone[place].token_ids for place in (0, 2)]


def test_a_fault_while_a_token_is_taken_in_ends_its_own_output_only(sparse: Transformer) -> None:
    class Deaf(Steps):
        def fresh(self) -> "Deaf":
            return Deaf()

        def accept(self, token_id: int) -> None:
            raise ValueError("not this one")

    held, free = drive(engine_of(sparse), [constrained(request([1], "a"), Deaf()), request([1], "b")])
    assert held.ends[0] == ("error", None)
    assert len(free.token_ids[0]) == 16
