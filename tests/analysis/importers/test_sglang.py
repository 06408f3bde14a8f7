"""SGLang's rows of all hidden layers: the dense ones are dropped, and what does not fit is refused."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.analysis.chunk import Flag
from octavo.analysis.importers.sglang import read_file
from octavo.analysis.importers.shape import RouterShape
from octavo.errors import TraceError

SHAPE = RouterShape(num_experts=8, k=2, layers=(1, 2), num_hidden_layers=3)


def hidden(count: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    rows = generator.permuted(np.tile(np.arange(8), (count, 3, 1)), axis=2)[:, :, :2].astype(np.int32)
    rows[:, 0] = 0  # a dense layer
    return rows


def text(rows: np.ndarray) -> str:
    return base64.b64encode(rows.astype("<i4").tobytes()).decode()


def answered(tmp_path: Path, answer: dict[str, Any]) -> Path:
    path = tmp_path / "code.json"
    path.write_text(json.dumps(answer))
    return path


def own(rows: np.ndarray, **fields: Any) -> dict[str, Any]:
    meta = {"id": "r1", "prompt_tokens": 3, "completion_tokens": 2, "routed_experts": text(rows)}
    return {"text": "x", "output_ids": [8, 2], "meta_info": meta, **fields}


def test_its_own_api_gives_all_but_the_last_token(tmp_path: Path) -> None:
    recording = read_file(answered(tmp_path, own(hidden(4), input_ids=[1, 5, 6])), SHAPE)
    assert recording.rank_ordered is None and recording.manifest().layers == (1, 2)
    (document,) = recording.documents
    assert (document.domain, document.name, document.num_tokens) == ("code", "r1", 5)
    assert np.array_equal(document.expert_TLK[:4], hidden(4)[:, 1:])
    assert document.flag_T is not None and document.flag_T.tolist() == [0, 0, 0, 0, Flag.MISSING]
    assert document.token_T is not None and document.token_T.tolist() == [1, 5, 6, 8, 2]
    assert not read_file(answered(tmp_path, own(hidden(4))), SHAPE).manifest().has_tokens


def test_an_openai_style_answer_has_them_in_its_extension(tmp_path: Path) -> None:
    answer = {
        "id": "cmpl",
        "choices": [{"text": "x", "sgl_ext": {"routed_experts": text(hidden(4))}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    (document,) = read_file(answered(tmp_path, answer), SHAPE).documents
    assert document.num_tokens == 5 and document.token_T is None
    answer["choices"] = answer["choices"] * 2  # type: ignore[operator]
    with pytest.raises(TraceError, match="2 choices whose lengths nobody tells apart"):
        read_file(answered(tmp_path, answer), SHAPE)


def test_rows_from_a_later_start_leave_the_earlier_ones_unknown(tmp_path: Path) -> None:
    answer = own(hidden(4)[2:], routed_experts_start_len=2)
    (document,) = read_file(answered(tmp_path, answer), SHAPE).documents
    unread = Flag.MISSING | Flag.CACHED
    assert document.flag_T is not None and document.flag_T.tolist() == [unread, unread, 0, 0, Flag.MISSING]
    with pytest.raises(TraceError, match="rows of experts for the tokens 0 to 1 of 5"):
        read_file(answered(tmp_path, own(hidden(4)[2:])), SHAPE)


def test_an_array_of_all_layers_is_read_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", hidden(4))
    assert np.array_equal(read_file(tmp_path / "a.npy", SHAPE).documents[0].expert_TLK, hidden(4)[:, 1:])
    np.save(tmp_path / "a.npy", hidden(4)[:, 1:])
    with pytest.raises(TraceError, match=r"has the shape \[4, 2, 2\]: want \[tokens, 3 hidden layers, 2\]"):
        read_file(tmp_path / "a.npy", SHAPE)


def test_dense_layers_are_empty_and_the_others_are_not(tmp_path: Path) -> None:
    full = hidden(4)
    full[:, 0] = full[:, 1]
    with pytest.raises(TraceError, match="layer 0 is dense but has experts in it"):
        read_file(answered(tmp_path, own(full)), SHAPE)
    with pytest.raises(TraceError, match="layer 0 is all zeros, as a dense layer"):
        read_file(answered(tmp_path, own(hidden(4))), replace(SHAPE, layers=(0, 1, 2)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"meta_info": {}}, "has no routed_experts: start SGLang with --enable-return-routed-experts"),
        ({"meta_info": {"routed_experts": "AAAA"}}, "has 3 bytes: want a multiple of 24"),
        ({"meta_info": {"routed_experts": "A"}}, "is not base64"),
        ({"input_ids": [1, 5]}, "2 input_ids for 3 prompt tokens"),
        ({"routed_experts_start_len": -1}, "routed_experts_start_len is -1"),
    ],
)
def test_an_answer_that_cannot_be_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError, match=rf"code\.json, answer 0.*{message}"):
        read_file(answered(tmp_path, own(hidden(4), **changes)), SHAPE)


def test_the_number_of_all_layers_has_to_be_known(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="say how many there are"):
        read_file(tmp_path / "x.json", replace(SHAPE, num_hidden_layers=None))
