"""LLM from a folder: prompts in, results shaped as vLLM's out; the stream says the same bit by bit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from octavo.api.llm import LLM
from octavo.api.outputs import CompletionDelta
from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.engine.params import SamplingParams
from octavo.errors import ConfigError, OctavoError, RequestError
from octavo.model import Transformer

GREEDY = SamplingParams(temperature=0, max_tokens=12)


def test_a_string_is_completed(llm: LLM) -> None:
    (result,) = llm.generate("def forward(", GREEDY)
    (output,) = result.outputs
    assert llm.tokenizer is not None
    assert result.prompt == "def forward("
    assert result.prompt_token_ids == llm.tokenizer.encode("def forward(")
    assert result.finished
    assert result.prompt_logprobs is None
    assert (output.index, output.finish_reason, output.stop_reason) == (0, "length", None)
    assert len(output.token_ids) == 12
    assert output.text == llm.tokenizer.decode(output.token_ids, starts_text=False)
    assert output.cumulative_logprob is None
    assert output.logprobs is None
    assert output.routed_experts is None


def test_prompts_of_every_form_come_back_in_order(llm: LLM) -> None:
    assert llm.tokenizer is not None
    ids = llm.tokenizer.encode("class")
    results = llm.generate(["class", ids, {"prompt_token_ids": ids}, {"prompt": "class"}], GREEDY)
    assert [result.prompt for result in results] == ["class", None, None, "class"]
    assert len({result.outputs[0].text for result in results}) == 1
    assert len({result.request_id for result in results}) == 4
    assert llm.generate(ids, GREEDY)[0].outputs[0].token_ids == results[0].outputs[0].token_ids
    assert llm.generate([], GREEDY) == []


def test_each_prompt_may_have_its_own_params(llm: LLM) -> None:
    first, second = llm.generate(["a", "b"], [GREEDY, SamplingParams(temperature=0, max_tokens=3)])
    assert [len(result.outputs[0].token_ids) for result in (first, second)] == [12, 3]
    with pytest.raises(RequestError, match="1 sampling_params for 2 prompts: want one, or one for each"):
        llm.generate(["a", "b"], [GREEDY])


def test_without_params_the_defaults_are_used(llm: LLM) -> None:
    assert len(llm.generate("The ")[0].outputs[0].token_ids) <= 16


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 0, "logprobs": 2, "prompt_logprobs": 1, "routing": True},
        {"seed": 4, "n": 3, "routing": True, "router_logits": True, "stop": ["e", "in"]},
        {"seed": 5, "n": 2, "logprobs": 0},
    ],
    ids=str,
)
def test_the_stream_joined_is_the_result(llm: LLM, params: dict[str, object]) -> None:
    sampling = SamplingParams(max_tokens=20, **params)  # type: ignore[arg-type]
    (whole,) = llm.generate("def forward(self", sampling)
    deltas = list(llm.stream("def forward(self", sampling))
    for output in whole.outputs:
        mine = [delta for delta in deltas if delta.index == output.index]
        assert "".join(delta.text for delta in mine) == output.text
        assert [token for delta in mine for token in delta.token_ids] == output.token_ids
        assert [one for delta in mine for one in delta.logprobs] == (output.logprobs or [])
        assert [delta.finish_reason for delta in mine[:-1]] == [None] * (len(mine) - 1)
        assert (mine[-1].finish_reason, mine[-1].stop_reason) == (output.finish_reason, output.stop_reason)
        for name in ("routed_experts", "routed_weights", "router_logits"):
            same_rows([getattr(delta, name) for delta in mine], getattr(output, name))
    assert [one for delta in deltas for one in delta.prompt_logprobs] == (whole.prompt_logprobs or [])
    for name in ("prompt_routed_experts", "prompt_routed_weights", "prompt_router_logits"):
        same_rows([getattr(delta, name) for delta in deltas], getattr(whole, name))


def same_rows(parts: list[np.ndarray | None], whole: np.ndarray | None) -> None:
    joined = [part for part in parts if part is not None]
    if whole is None:
        assert not joined
    else:
        np.testing.assert_array_equal(np.concatenate(joined), whole)


def test_streams_may_be_read_in_turns(llm: LLM) -> None:
    alone = [list(llm.stream(prompt, GREEDY)) for prompt in ("def ", "class ")]
    streams = [llm.stream(prompt, GREEDY) for prompt in ("def ", "class ")]
    found: list[list[CompletionDelta]] = [[], []]
    for _ in range(4):
        for place, stream in enumerate(streams):
            found[place].append(next(stream))
    assert llm.generate("The ", GREEDY)[0].finished
    for place, stream in enumerate(streams):
        found[place] += stream
        assert [token for delta in found[place] for token in delta.token_ids] == [
            token for delta in alone[place] for token in delta.token_ids
        ]
    assert llm.engine.pool.used == 0


def test_a_stream_that_is_closed_frees_its_pages(llm: LLM) -> None:
    stream = llm.stream("def ", SamplingParams(max_tokens=100))
    next(stream)
    assert llm.engine.pool.used > 0
    stream.close()  # type: ignore[attr-defined]
    assert llm.engine.pool.used == 0
    assert not llm.engine.has_unfinished


def test_an_interrupted_call_leaves_nothing_behind(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(llm.engine.runner, "forward", interrupted)
        llm.generate(["a", "b"], GREEDY)
    assert not llm.engine.has_unfinished
    assert llm.engine.pool.used == 0
    assert llm.generate("a", GREEDY)[0].finished


def test_a_stop_string_ends_the_text(llm: LLM) -> None:
    (free,) = llm.generate("def ", SamplingParams(temperature=0, max_tokens=30))
    text = free.outputs[0].text
    stop = text[5:8]
    for include in (False, True):
        (result,) = llm.generate(
            "def ", SamplingParams(temperature=0, max_tokens=30, stop=stop, include_stop_str_in_output=include)
        )
        output = result.outputs[0]
        assert output.text == text[: text.find(stop) + (len(stop) if include else 0)]
        assert (output.finish_reason, output.stop_reason) == ("stop", stop)
        assert output.token_ids == free.outputs[0].token_ids[: len(output.token_ids)]
    assert llm.engine.pool.used == 0


def test_a_stop_token_is_no_part_of_the_text_unless_asked_for(llm: LLM) -> None:
    assert llm.tokenizer is not None
    (free,) = llm.generate("def ", GREEDY)
    tokens = free.outputs[0].token_ids
    end = next(token for place, token in enumerate(tokens) if place > 2 and token not in tokens[:place])
    length = tokens.index(end)
    for include in (False, True):
        params = SamplingParams(temperature=0, max_tokens=12, stop_token_ids=[end], include_stop_str_in_output=include)
        output = llm.generate("def ", params)[0].outputs[0]
        assert output.token_ids == tokens[: length + 1]
        assert output.text == llm.tokenizer.decode(tokens[: length + include], starts_text=False)
        assert (output.finish_reason, output.stop_reason) == ("stop", end)


def test_logprobs_are_named_as_vllm_names_them(llm: LLM) -> None:
    (result,) = llm.generate("def ", SamplingParams(max_tokens=5, seed=1, logprobs=2, prompt_logprobs=0))
    output = result.outputs[0]
    assert output.logprobs is not None
    assert output.cumulative_logprob == pytest.approx(
        sum(named[token].logprob for token, named in zip(output.token_ids, output.logprobs, strict=True))
    )
    for token, named in zip(output.token_ids, output.logprobs, strict=True):
        assert {one.rank for one in named.values()} == {1, 2, named[token].rank}
        assert llm._drafter.spell(token) == named[token].decoded_token
    assert result.prompt_logprobs is not None
    assert result.prompt_logprobs[0] is None
    assert [next(iter(named)) for named in result.prompt_logprobs[1:] if named] == result.prompt_token_ids[1:]


def test_routing_has_a_row_for_each_token_and_none_for_the_last(llm: LLM) -> None:
    (result,) = llm.generate("def forward(", SamplingParams(max_tokens=6, seed=1, routing=True, router_logits=True))
    output = result.outputs[0]
    assert output.routed_experts is not None
    assert output.routed_weights is not None
    assert output.router_logits is not None
    assert result.prompt_routed_experts is not None
    length = len(output.token_ids)
    assert output.routed_experts.shape == output.routed_weights.shape == (length, 2, 2)
    assert output.router_logits.shape == (length, 2, 4)
    assert (output.routed_experts[-1] == -1).all()
    assert output.routed_weights[-1].sum() == 0
    np.testing.assert_allclose(output.routed_weights[:-1].sum(axis=-1), 1, atol=1e-6)
    order = np.argsort(-output.router_logits[:-1], axis=-1, kind="stable")[..., :2]
    np.testing.assert_array_equal(output.routed_experts[:-1], order)
    assert result.prompt_routed_experts.shape == (len(result.prompt_token_ids), 2, 2)
    assert result.prompt_routed_experts.min() >= 0
    # Reading prompt and output as one prompt routes them the same way.
    (score,) = llm.score([[*result.prompt_token_ids, *output.token_ids]], routing=True)
    assert score.routed_experts is not None
    np.testing.assert_array_equal(
        score.routed_experts[:-1], np.concatenate((result.prompt_routed_experts, output.routed_experts[:-1]))
    )
    assert score.routed_experts[-1].min() >= 0


def test_scores_are_the_logprobs_of_each_token_given_those_before(llm: LLM) -> None:
    scores = llm.score(["def forward(self)", [5, 6, 7], [9]])
    for score in scores:
        assert score.logprobs[0] is None
        assert len(score.logprobs) == len(score.token_ids)
        assert score.routed_experts is None
    biased = SamplingParams(max_tokens=1, logprobs=0, logit_bias={7: 100.0}, temperature=0)
    (whole,) = llm.generate([5, 6], biased)
    assert whole.outputs[0].logprobs is not None
    assert whole.outputs[0].logprobs[0][7].logprob == pytest.approx(scores[1].logprobs[2], abs=1e-5)


def test_a_conversation_is_replied_to(llm: LLM) -> None:
    hello = [{"role": "user", "content": "Hello"}]
    (result,) = llm.chat(hello, GREEDY)
    assert result.prompt == "<s>[INST] Hello[/INST]"
    both = llm.chat([hello, hello], GREEDY)
    assert [one.outputs[0].text for one in both] == [result.outputs[0].text] * 2
    assert "".join(delta.text for delta in llm.stream_chat(hello, GREEDY)) == result.outputs[0].text
    with pytest.raises(RequestError, match=r"messages\[1\]: content of type int"):
        llm.chat([{"role": "user", "content": "a"}, {"role": "user", "content": 5}], GREEDY)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ("x " * 200, r"the prompt is \d+ tokens long: want at most 127, since the model's length is 128"),
        (["a", [10_000]], "prompt 1: the prompt holds token id 10000: want 0 to 607"),
        (["a", None], "prompt 1: the prompt is a NoneType"),
        ("\ud800", "lone surrogate"),
    ],
)
def test_a_prompt_that_cannot_be_served_is_refused_before_anything_is_computed(
    llm: LLM, prompts: object, message: str
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        llm.generate(prompts, GREEDY)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not llm.engine.has_unfinished
    with pytest.raises(RequestError, match="tokens long"):
        llm.stream("x " * 200, GREEDY)


def test_a_folder_without_a_tokenizer_serves_token_ids(bare: Path, llm: LLM) -> None:
    other = LLM(bare, device="cpu", num_pages=50)
    ids = llm.generate("def ", GREEDY)[0].prompt_token_ids
    (result,) = other.generate([ids], SamplingParams(temperature=0, max_tokens=12, logprobs=0, ignore_eos=True))
    assert result.outputs[0].token_ids == llm.generate("def ", GREEDY)[0].outputs[0].token_ids
    assert result.outputs[0].text == ""
    assert result.outputs[0].logprobs is not None
    assert next(iter(result.outputs[0].logprobs[0].values())).decoded_token is None
    for call in (lambda: other.generate("def "), lambda: other.chat([{"role": "user", "content": "a"}])):
        with pytest.raises(RequestError, match="no tokenizer"):
            call()
    with pytest.raises(RequestError, match="stop is set, but this model has no tokenizer: use stop_token_ids"):
        other.generate([1], SamplingParams(stop="a"))


def test_a_model_whose_numbers_break_says_so() -> None:
    config = ModelConfig(
        vocab_size=20, dim=8, num_layers=1, num_heads=2, num_kv_heads=1, head_dim=4, hidden_dim=8, context_length=32
    )
    model = Transformer(config).init_weights(std=0.3)
    with torch.no_grad():
        model.tok_embeddings.weight[7] = torch.nan
    llm = LLM.of(model, config=EngineConfig(num_pages=20))
    ill, whole = llm.generate([[7, 1], [1, 2]], GREEDY)
    assert (ill.outputs[0].finish_reason, ill.outputs[0].token_ids) == ("error", [])
    assert whole.outputs[0].finish_reason == "length"
    with pytest.raises(OctavoError, match="prompt 1: the model's logits are not finite"):
        llm.score([[1, 2], [7, 1, 2]])


def test_limits_are_checked_before_the_model_is_opened() -> None:
    with pytest.raises(ConfigError, match="max_num_seqs is 0"):
        LLM("no such folder", max_num_seqs=0)
    with pytest.raises(ConfigError, match="batch_invariant is 1: want True or False"):
        LLM("no such folder", batch_invariant=1)  # type: ignore[arg-type]


def test_batch_invariant_results_are_equal_to_the_bit(folder: Path) -> None:
    llm = LLM(folder, device="cpu", batch_invariant=True, page_size=4, num_pages=30)
    prompts = ["def forward(", "class ", "import torch\n", "The "]
    params = SamplingParams(seed=1, max_tokens=10, logprobs=5, prompt_logprobs=5)
    alone = [llm.generate(prompt, params)[0] for prompt in prompts]
    for one, other in zip(alone, llm.generate(prompts, params), strict=True):
        assert one.outputs[0].logprobs == other.outputs[0].logprobs
        assert one.prompt_logprobs == other.prompt_logprobs
