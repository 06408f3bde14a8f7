"""Penalties, biases and minimum lengths change the logits as their definitions say."""

import pytest
import torch
from transformers import RepetitionPenaltyLogitsProcessor

from octavo.engine.penalties import Seen, edit
from octavo.engine.request import Group, Sequence
from tests.engine.serving import request

VOCABULARY = 30
PROMPT, OUTPUT = [1, 2, 2, 7], [5, 5, 2, 9, 5]


def sequence(eos: tuple[int, ...] = (), **params: object) -> Sequence:
    made = request(PROMPT, eos=eos, max_tokens=100, **params)
    return Sequence(group=Group(request=made), index=0, seed=0, token_ids=[*PROMPT, *OUTPUT])


def edited(one: Sequence, logits_V: torch.Tensor) -> torch.Tensor:
    seen = None
    if one.request.params.penalised:
        seen = Seen(VOCABULARY, logits_V.device)
        seen.follow(one)
    changed_V = logits_V.clone()
    edit(changed_V, one, seen)
    return changed_V


@pytest.mark.parametrize("penalty", [0.5, 1.3, 2.0])
def test_repetition_is_transformers_own(penalty: float) -> None:
    logits_V = torch.randn(VOCABULARY)
    expected = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor([PROMPT + OUTPUT]), logits_V[None])[0]
    torch.testing.assert_close(edited(sequence(repetition_penalty=penalty), logits_V), expected)


def test_presence_and_frequency_look_at_the_output_alone() -> None:
    logits_V = torch.randn(VOCABULARY)
    expected = logits_V.clone()
    for token, count in {5: 3, 2: 1, 9: 1}.items():
        expected[token] -= 0.5 * count + 0.25
    torch.testing.assert_close(edited(sequence(frequency_penalty=0.5, presence_penalty=0.25), logits_V), expected)


def test_the_bias_comes_before_the_penalties() -> None:
    logits_V = torch.full((VOCABULARY,), -1.0)
    changed_V = edited(sequence(logit_bias={5: 3.0, 11: -2.0}, repetition_penalty=2.0), logits_V)
    assert changed_V[5] == 1.0  # (-1 + 3) / 2
    assert changed_V[11] == -3.0
    assert changed_V[7] == -2.0


def test_no_end_comes_before_the_least_number_of_tokens() -> None:
    logits_V = torch.randn(VOCABULARY)
    changed_V = edited(sequence(eos=(3,), stop_token_ids=[4], min_tokens=len(OUTPUT) + 1), logits_V)
    assert changed_V.isneginf().nonzero()[:, 0].tolist() == [3, 4]
    torch.testing.assert_close(edited(sequence(eos=(3,), min_tokens=len(OUTPUT)), logits_V), logits_V)


def test_tokens_are_followed_one_by_one_as_all_at_once() -> None:
    whole = sequence(frequency_penalty=1.0)
    slow = Sequence(group=whole.group, index=0, seed=0, token_ids=list(PROMPT))
    at_once, step_by_step = (Seen(VOCABULARY, torch.device("cpu")) for _ in range(2))
    at_once.follow(whole)
    step_by_step.follow(slow)
    for token in OUTPUT:
        slow.token_ids.append(token)
        step_by_step.follow(slow)
        step_by_step.follow(slow)
    assert torch.equal(at_once.count_V, step_by_step.count_V)
    assert torch.equal(at_once.prompt_V, step_by_step.prompt_V)
    assert at_once.count_V.sum() == len(OUTPUT)
