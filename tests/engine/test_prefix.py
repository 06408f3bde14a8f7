"""What the cache remembers of prompts is found by those that begin alike, and by no others, and changes no answer."""

import numpy as np
import pytest
import torch

from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.prefix import are_kept, first_key, next_key
from octavo.engine.request import Request
from octavo.model import Transformer
from octavo.ops import INVARIANT
from tests.engine.serving import Served, drive, prompts_of, request, serve, tiny

STEM = tuple(range(30, 53))
BRANCHES = [(*STEM, 1, 2), (*STEM, 3), STEM, (*STEM[:9], 4, 5, 6), (*STEM, 1, 2)]
PARAMS: dict[str, object] = {"temperature": 0, "max_tokens": 10, "routing": True}


def engine_of(model: Transformer, **limits: object) -> Engine:
    return Engine(model, EngineConfig(**{"page_size": 4, "num_pages": 200, **limits}))  # type: ignore[arg-type]


def one_by_one(engine: Engine, prompts: list[tuple[int, ...]], **params: object) -> list[Served]:
    return [drive(engine, [request(prompt, **{**PARAMS, **params})])[0] for prompt in prompts]


def same(one: Served, other: Served) -> bool:
    return (
        one.token_ids == other.token_ids
        and one.rows.keys() == other.rows.keys()
        and all(
            np.array_equal(mine, theirs)
            for place in one.rows
            for mine, theirs in zip(one.rows[place], other.rows[place], strict=True)
        )
    )


def test_a_key_names_all_the_tokens_before_it() -> None:
    keys = {next_key(next_key(first_key(salt), a), b) for salt in ("", "x") for a in ([1], [2]) for b in ([1], [2])}
    assert len(keys) == 8
    assert next_key(first_key(""), [1, 2]) != next_key(next_key(first_key(""), [1]), [2])
    assert next_key(first_key("\ud800"), [2**40]) == next_key(first_key("\ud800"), (2**40,))


def test_a_window_keeps_no_names() -> None:
    assert are_kept(EngineConfig(), window=None)
    assert not are_kept(EngineConfig(), window=9)
    assert not are_kept(EngineConfig(enable_prefix_caching=False), window=None)


def test_what_was_read_before_is_not_read_again() -> None:
    engine = engine_of(tiny())
    one_by_one(engine, [STEM])
    assert engine.scheduler.num_hit == 0
    # The output of the first was read as well, but for its last token.
    again = (*STEM, 90)
    one_by_one(engine, [again])
    assert engine.scheduler.num_hit == 20
    assert engine.scheduler.num_queried == len(STEM) + len(again)


def test_answers_and_routings_are_those_of_a_cache_that_remembers_nothing() -> None:
    model = tiny(ops=INVARIANT)
    wanted = one_by_one(engine_of(model, enable_prefix_caching=False), BRANCHES)
    engine = engine_of(model)
    found = one_by_one(engine, BRANCHES)
    assert engine.scheduler.num_hit > 60
    assert all(map(same, found, wanted))
    together = drive(engine, [request(prompt, str(place), **PARAMS) for place, prompt in enumerate(BRANCHES)])
    assert all(map(same, together, wanted))


def test_router_logits_of_remembered_tokens_are_those_that_were_read() -> None:
    engine = engine_of(tiny(ops=INVARIANT))
    logits = []
    for _ in range(2):
        engine.add(request(STEM, temperature=0, max_tokens=1, routing=True, router_logits=True))
        rows = [progress.routing.arrays()[2] for progress in engine.step() if progress.routing is not None]
        logits.append(np.concatenate([each for each in rows if each is not None]))
    assert engine.scheduler.num_hit > 0
    assert logits[0].shape == (len(STEM), 3, 4)
    assert np.array_equal(logits[0], logits[1])


def test_another_salt_finds_nothing() -> None:
    engine = engine_of(tiny())
    for salt, hits in (("mine", 0), ("yours", 0), ("", 0), ("mine", 20)):
        before = engine.scheduler.num_hit
        asked = request(STEM, **PARAMS)
        salted = Request(request_id="0", prompt_token_ids=STEM, params=asked.params, cache_salt=salt)
        drive(engine, [salted])
        assert engine.scheduler.num_hit - before == hits


def test_a_prompt_that_is_scored_is_read_whole() -> None:
    engine = engine_of(tiny())
    first, second = one_by_one(engine, [STEM, STEM], prompt_logprobs=2)
    assert engine.scheduler.num_hit == 0
    assert first.prompt_logprobs == second.prompt_logprobs
    assert len(first.prompt_logprobs) == len(STEM) - 1


def test_a_request_may_have_its_prompt_read_again() -> None:
    engine = engine_of(tiny())
    one_by_one(engine, [STEM, STEM], skip_reading_prefix_cache=True)
    assert engine.scheduler.num_hit == 0
    one_by_one(engine, [STEM])
    assert engine.scheduler.num_hit == 20


@pytest.mark.parametrize("pages", [14, 26])
def test_a_small_cache_forgets_and_preempts_and_answers_alike(pages: int) -> None:
    model = tiny(ops=INVARIANT)
    prompts = [prompt[:30] for prompt in prompts_of(12)] + BRANCHES
    wanted = serve(model, prompts, PARAMS, enable_prefix_caching=False)
    engine = engine_of(model, num_pages=pages)
    asked = [request(prompt, str(place), **PARAMS) for place, prompt in enumerate(prompts)]
    for _ in range(2):
        assert all(map(same, drive(engine, asked), wanted))
    assert engine.scheduler.num_preempted > 0
    assert engine.scheduler.num_hit > 0


def test_samples_of_one_prompt_find_what_another_request_read() -> None:
    model = tiny(ops=INVARIANT)
    params = {"n": 3, "seed": 5, "max_tokens": 8, "routing": True}
    (wanted,) = serve(model, [STEM], params, enable_prefix_caching=False)
    engine = engine_of(model)
    one_by_one(engine, [(*STEM, 8)])
    (found,) = drive(engine, [request(STEM, "n", **params)])
    assert engine.scheduler.num_hit > 20
    assert same(found, wanted)


def test_nothing_of_a_request_that_broke_is_remembered() -> None:
    model = tiny()
    with torch.no_grad():
        model.tok_embeddings.weight[13] = torch.nan
    engine = engine_of(model, max_num_batched_tokens=8)
    (ill,) = one_by_one(engine, [(*STEM[:12], 13, *STEM)])
    assert ill.ends == {0: ("error", None)}
    assert engine.pool.cached == 0


def test_after_new_weights_everything_is_read_anew() -> None:
    model = tiny(ops=INVARIANT)
    engine = engine_of(model)
    one_by_one(engine, [STEM])
    other = tiny(ops=INVARIANT, seed=1)
    model.load_state_dict(other.state_dict())
    engine.reset_prefix_cache()
    (found,) = one_by_one(engine, [STEM])
    (wanted,) = serve(other, [STEM], PARAMS)
    assert same(found, wanted)
