"""The engine gives what a plain loop over the whole sequence gives, whatever shares its batches and however often it is
interrupted; and it says each thing once."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.errors import ConfigError, RequestError
from octavo.model import Transformer
from tests.engine.serving import drive, prompts_of, read, request, serve, tiny

MARGIN = 1e-4
WAYS: dict[str, dict[str, object]] = {
    "together": {},
    "alone": {"max_num_seqs": 1},
    "chunked": {"max_num_batched_tokens": 7},
    "preempted": {"num_pages": 26},
    "chunked and preempted": {"num_pages": 26, "max_num_batched_tokens": 11},
}


def plain(model: Transformer, prompt: Sequence[int], count: int) -> tuple[list[int], float]:
    """Greedy tokens by a forward over everything so far, and the smallest margin that chose a token or an expert."""
    tokens, margin = list(prompt), math.inf
    for _ in range(count):
        output = read(model, tokens)
        best = output.logits_RV[-1].topk(2).values
        margin = min(margin, float(best[0] - best[1]))
        tokens.append(int(output.logits_RV[-1].argmax()))
    k = model.config.num_experts_per_tok
    for routing in output.routings:
        ranked_TE = routing.logits_TE.sort(dim=-1, descending=True).values
        margin = min(margin, float((ranked_TE[:, :k] - ranked_TE[:, 1 : k + 1]).min()))
    return tokens[len(prompt) :], margin


@pytest.fixture(scope="module")
def plain_loop(model: Transformer) -> list[tuple[list[int], float]]:
    return [plain(model, prompt, 20) for prompt in prompts_of(10)]


@pytest.mark.parametrize("way", WAYS)
def test_greedy_tokens_are_those_of_the_plain_loop(
    model: Transformer,
    way: str,
    plain_loop: list[tuple[list[int], float]],
    record_property: Callable[[str, object], None],
) -> None:
    served = serve(model, prompts_of(10), {"temperature": 0, "max_tokens": 20}, **WAYS[way])
    close = 0
    for (tokens, margin), one in zip(plain_loop, served, strict=True):
        if margin <= MARGIN:
            close += 1
        else:
            assert one.token_ids[0] == tokens
        assert one.ends[0] == ("length", None)
    record_property("requests with a margin of at most 1e-4", close)
    assert close <= 3


def test_preemption_happens_in_the_test_above(sparse: Transformer) -> None:
    engine = Engine(sparse, EngineConfig(page_size=4, num_pages=26))
    prompts = prompts_of(10)
    drive(engine, [request(prompt, str(i), temperature=0, max_tokens=20) for i, prompt in enumerate(prompts)])
    assert engine.scheduler.num_preempted > 0


@pytest.mark.parametrize("way", WAYS)
def test_every_read_position_has_its_routing_once(sparse: Transformer, way: str) -> None:
    prompts = prompts_of(10)
    served = serve(sparse, prompts, {"temperature": 0, "max_tokens": 12, "routing": True}, **WAYS[way])
    for prompt, one in zip(prompts, served, strict=True):
        tokens = [*prompt, *one.token_ids[0][:-1]]
        routings = read(sparse, tokens).routings
        assert [position for _, position in sorted(one.rows, key=lambda key: key[1])] == list(range(len(tokens)))
        for (_, position), (expert_LK, weight_LK) in one.rows.items():
            for layer, routing in enumerate(routings):
                assert expert_LK[layer].tolist() == routing.expert_TK[position].tolist()
                np.testing.assert_allclose(weight_LK[layer], routing.weight_TK[position], atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_logprobs_are_those_of_the_plain_forward(model: Transformer, way: str) -> None:
    prompts = prompts_of(6)
    params = {"temperature": 0.7, "seed": 3, "max_tokens": 8, "logprobs": 3, "prompt_logprobs": 2}
    for prompt, one in zip(prompts, serve(model, prompts, params, **WAYS[way]), strict=True):
        tokens = [*prompt, *one.token_ids[0]]
        logprob_TV = read(model, tokens).logits_RV.log_softmax(dim=-1)
        said = [*one.prompt_logprobs, *one.logprobs[0]]
        assert len(said) == len(tokens) - 1
        for position, found in enumerate(said):
            row_V, token = logprob_TV[position], tokens[position + 1]
            assert found.token_ids[0] == token
            assert found.rank == int((row_V > row_V[token]).sum()) + 1
            best = row_V.topk(2 if position < len(prompt) - 1 else 3)
            assert found.token_ids[1:] == tuple(best.indices.tolist())
            torch.testing.assert_close(
                torch.tensor(found.logprobs), torch.cat((row_V[token, None], best.values)), atol=1e-4, rtol=1e-4
            )


def test_a_seeded_request_draws_the_same_in_any_batch(model: Transformer) -> None:
    prompts = prompts_of(8)
    params = {"seed": 11, "max_tokens": 12, "top_p": 0.9, "repetition_penalty": 1.2}
    ways = [[one.token_ids for one in serve(model, prompts, params, **limits)] for limits in WAYS.values()]
    assert all(way == ways[0] for way in ways)


def test_another_seed_draws_otherwise(sparse: Transformer) -> None:
    first, second = (serve(sparse, [[1, 2, 3]], {"seed": seed, "max_tokens": 12})[0] for seed in (1, 2))
    assert first.token_ids != second.token_ids


def test_without_a_seed_the_engine_has_its_own(sparse: Transformer) -> None:
    def run(seed: int) -> list[list[int]]:
        return [one.token_ids[0] for one in serve(sparse, [[1, 2], [1, 2]], {"max_tokens": 12}, seed=seed)]

    assert run(0) == run(0)
    assert run(0) != run(1)
    assert run(0)[0] != run(0)[1]


@pytest.mark.parametrize("way", WAYS)
def test_samples_of_one_request_are_different_and_the_same_in_any_batch(model: Transformer, way: str) -> None:
    prompt = prompts_of(1, longest=40, seed=5)[0]
    params = {"seed": 2, "n": 4, "max_tokens": 10, "logprobs": 0, "prompt_logprobs": 0}
    (one,) = serve(model, [prompt], params, **WAYS[way])
    (alone,) = serve(model, [prompt], params, max_num_seqs=1)
    assert one.token_ids == alone.token_ids
    assert len({tuple(tokens) for tokens in one.token_ids.values()}) == 4
    assert len(one.prompt_logprobs) == len(prompt) - 1
    for index in range(4):
        logprob_TV = read(model, [*prompt, *one.token_ids[index]]).logits_RV.log_softmax(dim=-1)
        for place, found in enumerate(one.logprobs[index]):
            expected = float(logprob_TV[len(prompt) - 1 + place, found.token_ids[0]])
            assert found.logprobs[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_prompt_rows_of_samples_come_once(sparse: Transformer, way: str) -> None:
    prompt = prompts_of(1, longest=40, seed=5)[0]
    (one,) = serve(sparse, [prompt], {"seed": 2, "n": 3, "max_tokens": 6, "routing": True}, **WAYS[way])
    keys = {(-1, position) for position in range(len(prompt))}
    keys |= {(index, len(prompt) + place) for index in range(3) for place in range(5)}
    assert set(one.rows) == keys


def test_a_pool_of_a_tenth_of_the_need_serves_everyone_the_same(sparse: Transformer) -> None:
    prompts = prompts_of(100, longest=30)
    params = {"temperature": 0, "max_tokens": 12}
    wide = serve(sparse, prompts, params)
    narrow = serve(sparse, prompts, params, num_pages=90)
    assert [one.token_ids for one in narrow] == [one.token_ids for one in wide]


def test_the_pages_of_a_windowed_model_are_bounded() -> None:
    windowed = tiny(sliding_window=9)
    engine = Engine(windowed, EngineConfig(page_size=4, num_pages=5, max_num_batched_tokens=4))
    (one,) = drive(engine, [request(range(50), temperature=0, max_tokens=100)])
    assert one.token_ids[0] == plain(windowed, range(50), 100)[0]


@pytest.mark.parametrize("max_tokens", [0, 1, 2])
def test_few_tokens_are_that_many(sparse: Transformer, max_tokens: int) -> None:
    (one,) = serve(sparse, [[5, 6, 7]], {"max_tokens": max_tokens, "temperature": 0, "routing": True})
    assert len(one.token_ids.get(0, [])) == max_tokens
    assert len(one.rows) == 3 + max(0, max_tokens - 1)
    assert one.ends == {0: ("length", None)}


def test_the_models_length_ends_an_output(sparse: Transformer) -> None:
    (one,) = serve(sparse, [range(30)], {"max_tokens": None, "temperature": 0}, max_model_len=40)
    assert len(one.token_ids[0]) == 10
    assert one.ends[0] == ("length", None)


def test_end_and_stop_tokens_end_an_output(sparse: Transformer) -> None:
    greedy = {"temperature": 0, "max_tokens": 8}
    (free,) = serve(sparse, [[5, 6, 7]], greedy)
    tokens = free.token_ids[0]
    place = next(place for place, token in enumerate(tokens) if place and token not in tokens[:place])
    end = tokens[place]

    def run(eos: Sequence[int] = (), **params: object) -> tuple[list[int], tuple[str, int | None]]:
        engine = Engine(sparse, EngineConfig(num_pages=50))
        (one,) = drive(engine, [request([5, 6, 7], eos=eos, **{**greedy, **params})])
        return one.token_ids[0], one.ends[0]

    assert run(eos=[end]) == (tokens[: place + 1], ("stop", None))
    assert run(stop_token_ids=[end]) == (tokens[: place + 1], ("stop", end))
    assert run(eos=[end], ignore_eos=True) == (tokens, ("length", None))
    assert run(eos=[end], ignore_eos=True, stop_token_ids=[end])[1] == ("stop", end)
    later, _ = run(eos=[end], min_tokens=place + 2)
    assert end not in later[: place + 2]


def test_abort_frees_pages_at_once(sparse: Transformer) -> None:
    engine = Engine(sparse, EngineConfig(page_size=4, num_pages=40, max_num_batched_tokens=16))
    for place, prompt in enumerate(prompts_of(6)):
        engine.add(request(prompt, str(place), n=2, max_tokens=50))
    for _ in range(6):
        engine.step()
    engine.abort("0", 1)
    for place in range(6):
        engine.abort(str(place))
        engine.abort(str(place))
    engine.abort("never heard of")
    assert engine.pool.used == 0
    assert not engine.has_unfinished
    engine.add(request([1], "0"))


def test_a_failed_step_can_be_done_again(sparse: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = prompts_of(4)
    wanted = serve(sparse, prompts, {"temperature": 0, "max_tokens": 10})
    engine = Engine(sparse, EngineConfig(page_size=4, num_pages=200))
    forward, calls = engine.runner.forward, []

    def sometimes(*args: object) -> object:
        calls.append(args)
        if len(calls) % 3 == 2:
            raise RuntimeError("out of memory")
        return forward(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.runner, "forward", sometimes)
    for place, prompt in enumerate(prompts):
        engine.add(request(prompt, str(place), temperature=0, max_tokens=10))
    tokens: dict[str, list[int]] = {}
    while engine.has_unfinished:
        try:
            for progress in engine.step():
                if progress.token_id is not None:
                    tokens.setdefault(progress.request_id, []).append(progress.token_id)
        except RuntimeError:
            assert engine.pool.used == 0
    assert [tokens[str(place)] for place in range(4)] == [one.token_ids[0] for one in wanted]


def test_a_request_that_can_never_fit_is_refused_with_both_numbers(sparse: Transformer) -> None:
    engine = Engine(sparse, EngineConfig(page_size=4, num_pages=11))
    engine.add(request(range(20), "fits", max_tokens=21))
    with pytest.raises(RequestError, match=r"may need 44 positions .*\(20 of them for its prompt\), which has 40"):
        engine.add(request(range(20), "does not", max_tokens=22))
    assert list(engine.scheduler.waiting) == [
        one for one in engine.scheduler.waiting if one.request.request_id == "fits"
    ]


def test_a_length_beyond_the_models_own_is_refused(sparse: Transformer) -> None:
    with pytest.raises(ConfigError, match="max_model_len is 257: want at most the model's own, 256"):
        Engine(sparse, EngineConfig(max_model_len=257))
