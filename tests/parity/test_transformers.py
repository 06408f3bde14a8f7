"""Ours against transformers on the same random weights: logits, chosen experts, greedy text."""

import pytest
import torch

from octavo.config import ModelConfig
from tests.parity.twins import CONFIGS, PagedSequence, Twins, is_clear, joined, make_twins, whole

NUM_TOKENS = 64
PIECES = (17, 1, 1, 30, 15)


@pytest.fixture(params=CONFIGS, scope="module")
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return CONFIGS[request.param]


@pytest.fixture(scope="module")
def twins(config: ModelConfig) -> Twins:
    return make_twins(config)


@pytest.fixture(scope="module")
def token_T(config: ModelConfig) -> torch.Tensor:
    return torch.randint(0, config.vocab_size, (NUM_TOKENS,), generator=torch.Generator().manual_seed(2))


def test_there_are_at_least_twelve_configurations() -> None:
    assert len(CONFIGS) >= 12


@torch.no_grad()
def test_logits_are_theirs_whole_in_chunks_and_token_by_token(twins: Twins, token_T: torch.Tensor) -> None:
    theirs = twins.theirs(token_T[None]).logits[0]
    by_chunks = PagedSequence(twins.ours, max_length=NUM_TOKENS)
    by_token = PagedSequence(twins.ours, max_length=NUM_TOKENS)
    for ours in (
        twins.ours(whole(token_T)).logits_RV,
        joined([by_chunks.read(piece) for piece in token_T.split(PIECES)])[0],
        joined([by_token.read(piece) for piece in token_T.split(1)])[0],
    ):
        assert (ours - theirs).abs().max().item() <= 1e-5


@torch.no_grad()
def test_the_chosen_experts_are_theirs_on_every_token_that_is_not_a_tie(twins: Twins, token_T: torch.Tensor) -> None:
    config = twins.ours.config
    if not config.is_sparse:
        assert twins.ours(whole(token_T)).routings == ()
        return
    theirs = twins.theirs(token_T[None], output_router_logits=True).router_logits
    routings = twins.ours(whole(token_T)).routings
    by_chunks = PagedSequence(twins.ours, max_length=NUM_TOKENS)
    _, chunked = joined([by_chunks.read(piece) for piece in token_T.split(PIECES)])
    for their_logits_TE, routing, chunked_TK in zip(theirs, routings, chunked, strict=True):
        their_expert_TK = their_logits_TE.topk(config.num_experts_per_tok, dim=-1).indices
        clear_T = is_clear(routing)
        assert clear_T.float().mean().item() > 0.99
        assert torch.equal(routing.expert_TK[clear_T], their_expert_TK[clear_T])
        assert torch.equal(chunked_TK[clear_T], their_expert_TK[clear_T])


@torch.no_grad()
def test_128_greedy_tokens_are_theirs(twins: Twins, token_T: torch.Tensor) -> None:
    prompt_T = token_T[:20]
    theirs = twins.theirs.generate(
        prompt_T[None], attention_mask=torch.ones(1, 20, dtype=torch.int64), max_new_tokens=128, do_sample=False
    )[0, 20:].tolist()
    sequence = PagedSequence(twins.ours, max_length=148)
    ours = [int(sequence.read(prompt_T).logits_RV[-1].argmax())]
    while len(ours) < 128:
        ours.append(int(sequence.read(torch.tensor(ours[-1:])).logits_RV[-1].argmax()))
    assert ours == theirs


@torch.no_grad()
def test_in_bfloat16_our_error_is_no_larger_than_theirs() -> None:
    """Error: root mean square distance from the float32 logits of the same bfloat16 weights."""
    ratios = []
    for name, config in CONFIGS.items():
        token_T = torch.randint(0, config.vocab_size, (192,), generator=torch.Generator().manual_seed(3))
        twins = make_twins(config, dtype=torch.bfloat16)
        theirs = twins.theirs(token_T[None]).logits[0].float()
        ours = twins.ours(whole(token_T)).logits_RV.float()
        exact = twins.ours.float()(whole(token_T)).logits_RV
        their_error, our_error = ((x - exact).square().mean().sqrt().item() for x in (theirs, ours))
        ratios.append(our_error / their_error)
        assert ratios[-1] <= 2.0, name
    assert sum(ratios) / len(ratios) <= 1.1
