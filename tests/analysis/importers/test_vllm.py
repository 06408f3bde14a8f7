"""vLLM's arrays in their two published forms, and our own engine's results, which have the same fields."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo import LLM, SamplingParams
from octavo.analysis.chunk import Flag
from octavo.analysis.importers.shape import RouterShape
from octavo.analysis.importers.vllm import from_outputs, read_file
from octavo.errors import TraceError

SHAPE = RouterShape(num_experts=8, k=2, layers=(0, 1, 2))
MINI = Path(__file__).parents[3] / "octavo" / "mini"


def rows(count: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.permuted(np.tile(np.arange(8), (count, 3, 1)), axis=2)[:, :, :2]


def npy(array: np.ndarray) -> str:
    file = io.BytesIO()
    np.save(file, array)
    return base64.b64encode(file.getvalue()).decode()


def answered(tmp_path: Path, answer: dict[str, Any]) -> Path:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(answer))
    return path


def test_prompt_and_output_stand_apart_in_021(tmp_path: Path) -> None:
    prompt, output = rows(4), rows(2, 1)
    prompt[:2] = -1
    answer = {
        "id": "cmpl-7",
        "prompt_routed_experts": prompt.tolist(),
        "prompt_token_ids": [1, 5, 6, 7],
        "choices": [{"routed_experts": output.tolist(), "token_ids": [8, 9, 2]}],
    }
    recording = read_file(answered(tmp_path, answer), SHAPE)
    assert recording.rank_ordered is None and recording.manifest().rank_ordered is None
    (document,) = recording.documents
    assert (document.domain, document.name, document.num_tokens) == ("chat", "cmpl-7/0", 7)
    unread = Flag.MISSING | Flag.CACHED
    assert document.flag_T is not None and document.flag_T.tolist() == [unread, unread, 0, 0, 0, 0, Flag.MISSING]
    assert np.array_equal(document.expert_TLK[2:6], np.concatenate([prompt[2:], output]))


def test_prompt_and_output_stand_together_since_022(tmp_path: Path) -> None:
    whole = rows(6).astype(np.uint8)
    choice = {"routed_experts": npy(whole), "prompt_token_ids": [1, 5, 6, 7], "token_ids": [8, 9, 2]}
    (document,) = read_file(answered(tmp_path, {"choices": [choice]}), SHAPE, domain="math").documents
    assert document.domain == "math" and document.num_tokens == 7
    assert np.array_equal(document.expert_TLK[:6], whole)


def test_a_prompt_whose_rows_were_not_given_is_missing(tmp_path: Path) -> None:
    choice = {"routed_experts": rows(2).tolist(), "token_ids": [8, 9, 2], "prompt_token_ids": [1, 5, 6, 7]}
    (document,) = read_file(answered(tmp_path, {"choices": [choice]}), SHAPE).documents
    unread = Flag.MISSING | Flag.CACHED
    assert document.flag_T is not None and document.flag_T.tolist() == [unread] * 4 + [0, 0, Flag.MISSING]
    assert np.array_equal(document.expert_TLK[4:6], rows(2))


def test_several_answers_to_one_prompt_count_it_once(tmp_path: Path) -> None:
    choices = [{"routed_experts": npy(rows(5, seed)), "token_ids": [8, 2]} for seed in (0, 1)]
    path = answered(tmp_path, {"choices": choices, "prompt_token_ids": [1, 5, 6, 7]})
    first, second = read_file(path, SHAPE).documents
    assert (first.num_tokens, second.num_tokens) == (6, 2)
    assert second.position_T is not None and second.position_T.tolist() == [4, 5]
    assert np.array_equal(second.expert_TLK[0], rows(5, 1)[4])
    with pytest.raises(TraceError, match="several answers to one prompt of unknown length"):
        read_file(answered(tmp_path, {"choices": choices}), SHAPE)


def test_without_ids_the_usage_tells_how_many_tokens_there_were(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 4, "completion_tokens": 3}
    path = answered(tmp_path, {"choices": [{"routed_experts": npy(rows(6))}], "usage": usage})
    (document,) = read_file(path, SHAPE).documents
    assert document.token_T is None and document.num_tokens == 7
    path = answered(tmp_path, {"choices": [{"routed_experts": npy(rows(5))}], "usage": usage})
    with pytest.raises(TraceError, match="rows of experts for the tokens 0 to 4 of 7"):
        read_file(path, SHAPE)


def test_an_array_alone_is_one_document_without_tokens(tmp_path: Path) -> None:
    np.save(tmp_path / "prose.npy", rows(9).astype(np.int16))
    recording = read_file(tmp_path / "prose.npy", SHAPE)
    assert recording.documents[0].num_tokens == 9 and not recording.manifest().has_tokens
    np.savez(tmp_path / "prose.npz", routed_experts=rows(9), token_ids=np.arange(10))
    (document,) = read_file(tmp_path / "prose.npz", SHAPE).documents
    assert document.num_tokens == 10 and document.flag_T is not None and document.flag_T[9] & Flag.MISSING
    weights = np.tile([0.25, 0.75], (9, 3, 1))
    np.savez(tmp_path / "prose.npz", routed_experts=rows(9), routed_weights=weights)
    recording = read_file(tmp_path / "prose.npz", SHAPE)
    assert recording.rank_ordered is True
    assert np.array_equal(recording.documents[0].expert_TLK, rows(9)[:, :, ::-1])


def test_our_own_results_are_read_as_they_are() -> None:
    llm = LLM()
    params = [
        SamplingParams(temperature=0, max_tokens=6, routing=True),
        SamplingParams(seed=1, max_tokens=4, routing=True, n=2),
    ]
    outputs = llm.generate(["The old captain", "def"], params)
    recording = from_outputs(outputs, RouterShape.from_config(MINI), domain="ours")
    assert recording.rank_ordered is True and recording.renormalized
    assert len(recording.documents) == 3
    first, output = recording.documents[0], outputs[0]
    whole = np.concatenate([output.prompt_routed_experts, output.outputs[0].routed_experts])  # type: ignore[list-item]
    assert np.array_equal(first.expert_TLK[:-1], whole[:-1])
    assert first.flag_T is not None and (first.flag_T & Flag.MISSING).astype(bool).tolist() == [False] * (
        len(whole) - 1
    ) + [True]
    assert recording.documents[2].num_tokens == 4


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"choices": [{"text": "hello"}]}, "has no routed_experts: start vLLM with --enable-return-routed-experts"),
        ({"choices": [{"routed_experts": None}]}, "has no routed_experts"),
        ({"choices": [{"routed_experts": "AAAA"}]}, "is not an array"),
        ({"choices": [{"routed_experts": [[[0, 1]], [[0]]]}]}, "rows of different lengths"),
        ({"choices": [{"routed_experts": [[[0, 0]] * 3] * 4}]}, "token 0, layer 0: layer 0 is all zeros"),
        ({"choices": [{"routed_experts": [[[0, 1]] * 2] * 4}]}, "2 layers, the model 3 MoE layers"),
        (
            {
                "choices": [{"routed_experts": [[[0, 1]] * 3]}],
                "prompt_routed_experts": [[[0, 1]] * 3] * 2,
                "prompt_token_ids": [1, 2, 3],
            },
            "2 rows of the prompt's 3 tokens",
        ),
    ],
)
def test_an_answer_that_cannot_be_is_named(tmp_path: Path, answer: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError, match=rf"chat\.json, answer 0.*{message}"):
        read_file(answered(tmp_path, answer), SHAPE)
