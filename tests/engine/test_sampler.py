"""The sampler draws from the distribution that the controls define; transformers' processors say what that is."""

import itertools
from collections import Counter

import pytest
import torch
from torch import Tensor
from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from octavo.engine import sampler
from octavo.engine.request import Group, Sequence
from octavo.engine.sampler import Sampler, draw, read_logprobs, seed_of, uniform_of
from tests.engine.serving import request

VOCABULARY = 40
DRAWS = 4000


def sequence(*, seed: int = 0, generated: int = 0, **params: object) -> Sequence:
    made = request([1, 2, 3], max_tokens=100, **params)
    return Sequence(group=Group(request=made), index=0, seed=seed, token_ids=[1, 2, 3, *range(10, 10 + generated)])


def chances(logits_V: Tensor, monkeypatch: pytest.MonkeyPatch, **params: object) -> Tensor:
    """How often each token is drawn when the random number takes every value of a fine grid."""
    grid = itertools.count()
    monkeypatch.setattr(sampler, "uniform_of", lambda *_: (next(grid) + 0.5) / DRAWS)
    one = sequence(**params)
    drawn = draw(logits_V.expand(DRAWS, -1), [one] * DRAWS)
    return torch.bincount(drawn, minlength=logits_V.shape[0]) / DRAWS


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 3.0},
        {"top_k": 5},
        {"top_k": -1},
        {"top_k": 1000},
        {"top_p": 0.7},
        {"top_p": 1e-6},
        {"min_p": 0.2},
        {"min_p": 1.0},
        {"temperature": 0.8, "top_k": 12, "top_p": 0.8},
        {"temperature": 1.3, "min_p": 0.1, "top_k": 7},
    ],
    ids=str,
)
def test_tokens_are_drawn_as_transformers_has_it(params: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    logits_V = torch.randn(VOCABULARY) * 2
    scores = TemperatureLogitsWarper(params.get("temperature", 1.0))(None, logits_V[None])
    if "min_p" in params:
        scores = MinPLogitsWarper(params["min_p"])(None, scores)
    if params.get("top_k", -1) > 0:
        scores = TopKLogitsWarper(int(params["top_k"]))(None, scores)
    if "top_p" in params:
        scores = TopPLogitsWarper(params["top_p"])(None, scores)
    expected_V = scores[0].softmax(dim=-1)
    found_V = chances(logits_V, monkeypatch, **params)
    assert found_V[expected_V == 0].sum() == 0
    torch.testing.assert_close(found_V, expected_V, atol=2 / DRAWS, rtol=0)


def test_equals_of_the_last_kept_logit_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    found_V = chances(torch.tensor([1.0, 2.0, 1.0, 0.0, 1.0]), monkeypatch, top_k=2)
    assert (found_V > 0).tolist() == [True, True, True, False, True]


def test_rows_with_other_controls_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    logits_SV = torch.randn(4, VOCABULARY)
    sequences = [
        sequence(seed=1, top_k=3),
        sequence(seed=2, top_p=0.5),
        sequence(seed=3, temperature=0.3, min_p=0.3),
        sequence(seed=4),
    ]
    together = draw(logits_SV, sequences).tolist()
    alone = [int(draw(row_1V, [one])[0]) for row_1V, one in zip(logits_SV.split(1), sequences, strict=True)]
    assert together == alone


def test_greedy_and_random_rows_share_a_batch() -> None:
    logits_SV = torch.randn(6, VOCABULARY)
    sequences = [sequence(seed=row, temperature=row % 2) for row in range(6)]
    chosen = [choice.token_id for choice in Sampler().choose(logits_SV, sequences)]
    assert chosen[::2] == logits_SV.argmax(dim=-1)[::2].tolist()
    assert chosen[1::2] == draw(logits_SV[1::2], sequences[1::2]).tolist()


def test_a_draw_depends_on_the_seed_and_the_place_only() -> None:
    logits_SV = torch.zeros(1, 10_000)
    drawn = {
        (seed, place): int(draw(logits_SV, [sequence(seed=seed, generated=place)])[0])
        for seed in range(3)
        for place in range(3)
    }
    assert len(set(drawn.values())) == 9
    assert drawn[2, 1] == int(draw(logits_SV.expand(5, -1), [sequence(seed=2, generated=1)] * 5)[3])


def test_the_random_numbers_are_even() -> None:
    numbers = [uniform_of(seed_of(seed, 1), place) for seed in range(50) for place in range(100)]
    assert 0 <= min(numbers) <= max(numbers) < 1
    counts = Counter(int(number * 10) for number in numbers)
    # 5,000 draws in ten bins: a bin's standard deviation is 21.
    assert all(abs(count - 500) < 100 for count in counts.values())


def test_the_largest_random_number_draws_a_token_that_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "uniform_of", lambda *_: 1 - 2.0**-53)
    logits_1V = torch.full((1, VOCABULARY), -torch.inf)
    logits_1V[0, 3:6] = 1.0
    assert draw(logits_1V, [sequence()]).tolist() == [5]
    assert int(draw(logits_1V, [sequence(top_p=0.9)])[0]) in (3, 4, 5)


def test_the_smallest_random_number_draws_a_token_that_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "uniform_of", lambda *_: 0.0)
    logits_1V = torch.full((1, VOCABULARY), -torch.inf)
    logits_1V[0, 3:6] = 1.0
    assert draw(logits_1V, [sequence()]).tolist() == [3]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_row_that_is_not_finite_chooses_nothing_and_its_neighbours_do(bad: float) -> None:
    logits_SV = torch.randn(3, VOCABULARY)
    sequences = [sequence(seed=row, logprobs=2, top_k=5) for row in range(3)]
    clean = Sampler().choose(logits_SV, sequences)
    logits_SV[1, 7] = bad
    found = Sampler().choose(logits_SV, sequences)
    assert found[1].token_id is None
    assert found[1].logprobs is None
    assert [found[0], found[2]] == [clean[0], clean[2]]


def test_logprobs_are_of_the_raw_distribution() -> None:
    logits_1V = torch.randn(1, VOCABULARY)
    one = sequence(logprobs=4, temperature=0, logit_bias={9: 100.0}, repetition_penalty=2.0)
    (choice,) = Sampler().choose(logits_1V, [one])
    assert choice.token_id == 9
    assert choice.logprobs is not None
    logprob_V = logits_1V[0].log_softmax(dim=-1)
    best = logprob_V.topk(4)
    assert choice.logprobs.token_ids == (9, *best.indices.tolist())
    assert choice.logprobs.logprobs == pytest.approx([float(logprob_V[9]), *best.values.tolist()])
    assert choice.logprobs.rank == int((logprob_V > logprob_V[9]).sum()) + 1


def test_a_rows_own_logprob_is_the_same_float_as_among_the_best() -> None:
    logits_RV = torch.randn(20, VOCABULARY)
    best = logits_RV.argmax(dim=-1).tolist()
    for found in read_logprobs(logits_RV, best, [1] * 20):
        assert found.rank == 1
        assert found.token_ids[0] == found.token_ids[1]
        assert found.logprobs[0] == found.logprobs[1]


def test_all_logprobs_are_a_distribution() -> None:
    (found,) = read_logprobs(torch.randn(1, VOCABULARY), [0], [-1])
    assert sorted(found.token_ids[1:]) == list(range(VOCABULARY))
    assert sum(map(float, torch.tensor(found.logprobs[1:]).exp())) == pytest.approx(1.0, abs=1e-5)


def test_low_precision_logits_are_read_in_float32() -> None:
    logits_1V = torch.randn(1, VOCABULARY).bfloat16()
    (choice,) = Sampler().choose(logits_1V, [sequence(temperature=0, logprobs=0)])
    assert choice.logprobs is not None
    assert choice.logprobs.logprobs[0] == pytest.approx(float(logits_1V.float().log_softmax(dim=-1).max()))


def test_what_was_seen_is_forgotten_with_the_sequence() -> None:
    chooser, one = Sampler(), sequence(repetition_penalty=1.5, temperature=0)
    chooser.choose(torch.randn(1, VOCABULARY), [one])
    assert one in chooser._seen
    chooser.forget(one)
    chooser.forget(one)
    assert not chooser._seen
