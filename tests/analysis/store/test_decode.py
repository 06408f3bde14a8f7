"""Rows come back exactly, or not at all: an illegal code is named with its file, layer and row."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from octavo.analysis.chunk import Flag
from octavo.analysis.codes import RouteCoding
from octavo.analysis.store import DocumentRoutes, RouteTrace
from octavo.analysis.store.decode import decode_ranks
from octavo.errors import TraceError
from tests.analysis.store.traces import parts_of, read_everything, rewrite, set_cell, some_documents, written
from tests.analysis.synthetic import document, manifest_of

SHAPES = [(8, 2), (4, 1), (4, 4), (16, 2), (6, 3), (256, 1), (1, 1), (64, 8), (300, 3)]


def routed(num_experts: int, k: int, num_tokens: int = 40) -> DocumentRoutes:
    """A document with logits, the weights that come of them, and one token that nobody knows."""
    generator = np.random.default_rng(0)
    logits_TLE = generator.normal(size=(num_tokens, 3, num_experts)).astype(np.float32) * 2
    expert_TLK = np.argsort(-logits_TLE, axis=-1)[..., :k]
    share_TLK = np.exp(np.take_along_axis(logits_TLE, expert_TLK, axis=-1))
    flag_T = np.zeros(num_tokens, np.uint16)
    flag_T[5] = Flag.MISSING
    return DocumentRoutes(
        domain="x",
        name="a",
        expert_TLK=expert_TLK,
        weight_TLK=share_TLK / share_TLK.sum(axis=-1, keepdims=True),
        logits_TLE=logits_TLE,
        nll_T=np.where(np.arange(num_tokens) == num_tokens - 1, np.nan, 1.5).astype(np.float32),
        prediction_T=np.arange(num_tokens),
        flag_T=flag_T,
    )


@pytest.mark.parametrize(("num_experts", "k"), SHAPES)
def test_every_column_comes_back(num_experts: int, k: int, tmp_path: Path) -> None:
    given = routed(num_experts, k)
    folder = written(tmp_path / "x.route", [given], manifest_of([given], num_experts=num_experts))
    (chunk,) = RouteTrace.open(folder).chunks(weights=True, logits=True, nll=True, predictions=True)
    known_T = np.arange(given.num_tokens) != 5
    assert given.weight_TLK is not None and given.logits_TLE is not None
    assert chunk.weight_LTK is not None and chunk.logits_LTE is not None and chunk.nll_T is not None
    assert np.array_equal(chunk.expert_LTK.swapaxes(0, 1)[known_T], given.expert_TLK[known_T])
    assert (chunk.expert_LTK[:, 5] == 0).all()
    assert np.abs(chunk.weight_LTK.swapaxes(0, 1) - given.weight_TLK)[known_T].max() < 0.00126
    assert np.abs(chunk.logits_LTE.swapaxes(0, 1) - given.logits_TLE)[known_T].max() < 0.005
    assert np.isnan(chunk.weight_LTK[:, 5]).all() and np.isnan(chunk.logits_LTE[:, 5]).all()
    assert np.isnan(chunk.nll_T).tolist() == [False] * 39 + [True]
    assert np.array_equal(chunk.prediction_T, given.prediction_T)
    assert (chunk.code_LT is None) == (num_experts**k > 256)


def test_exact_weights_are_exact_and_logits_in_steps_are_within_half_a_step(tmp_path: Path) -> None:
    given = routed(8, 2)
    stated = manifest_of([given], exact_weights=True, logits_step=0.125)
    (chunk,) = RouteTrace.open(written(tmp_path / "x.route", [given], stated)).chunks(weights=True, logits=True)
    assert given.weight_TLK is not None and given.logits_TLE is not None
    assert chunk.weight_LTK is not None and chunk.logits_LTE is not None
    known_T = np.arange(given.num_tokens) != 5
    assert np.array_equal(chunk.weight_LTK.swapaxes(0, 1)[known_T], given.weight_TLK[known_T].astype(np.float32))
    assert np.abs(chunk.logits_LTE.swapaxes(0, 1) - given.logits_TLE)[known_T].max() <= 0.0625


def test_logits_of_a_document_without_them_are_not_numbers(tmp_path: Path) -> None:
    given = routed(8, 2)
    other = replace(given, name="b", logits_TLE=None)
    (chunk,) = RouteTrace.open(written(tmp_path / "x.route", [given, other])).chunks(logits=True)
    assert chunk.logits_LTE is not None
    assert np.isnan(chunk.logits_LTE[:, 40:]).all()
    assert not np.isnan(chunk.logits_LTE[:, :5]).any()


def test_a_trace_without_text_is_read_without_tokens(tmp_path: Path) -> None:
    given = routed(8, 2)
    folder = written(tmp_path / "x.route", [given])
    assert not RouteTrace.open(folder).manifest.has_tokens
    assert read_everything(folder)[0].token_T is None


@pytest.mark.parametrize(("num_experts", "k"), [(8, 2), (4, 4), (256, 1), (6, 3)])
def test_ranks_are_those_of_the_table(num_experts: int, k: int) -> None:
    coding = RouteCoding(num_experts, k)
    code_LT = np.arange(coding.size, dtype=np.uint8)[None]
    assert np.array_equal(np.moveaxis(decode_ranks(code_LT, coding), 0, -1), coding.decode(code_LT))


def spoiled(tmp_path: Path, change: Callable[[pa.Table], pa.Table]) -> tuple[Path, str]:
    """A trace whose second part is changed, and what reading it says."""
    folder = written(tmp_path / "x.route", some_documents(2))
    rewrite(parts_of(folder)[1], change)
    with pytest.raises(TraceError) as caught:
        read_everything(folder)
    return parts_of(folder)[1], str(caught.value)


WAY_OUT = "copy the file again, or write the trace anew"


@pytest.mark.parametrize("code", [0, 9, 63, 64, 255])
def test_an_illegal_code_is_named_with_its_file_layer_and_row(tmp_path: Path, code: int) -> None:
    path, said = spoiled(tmp_path, set_cell("r2", 17, code))
    assert said == f"{path}, layer 2, row 17: {code} is no choice of 2 different experts; {WAY_OUT}"


def test_a_row_is_counted_from_the_start_of_its_file(tmp_path: Path) -> None:
    folder = written(tmp_path / "x.route", some_documents(6))
    rewrite(parts_of(folder)[0], set_cell("r1", 140, 9))
    with pytest.raises(TraceError, match=r"layer 1, row 140: 9 is no choice"):
        list(RouteTrace.open(folder).chunks(max_tokens=60))


def test_a_route_that_is_missing_without_a_flag_is_named(tmp_path: Path) -> None:
    path, said = spoiled(tmp_path, set_cell("r1", 3, None))
    assert said == f"{path}, layer 1, row 3: no experts, and no flag that says that they are not known; {WAY_OUT}"


@pytest.mark.parametrize("ids", [b"\x00\x01\x02\x03\x04\x05\x06\x06", b"\x00\x01\x02\x03\x04\x05\x06\x40"])
def test_ids_are_checked_where_there_is_no_code(tmp_path: Path, ids: bytes) -> None:
    given = routed(64, 8)
    folder = written(tmp_path / "x.route", [given], manifest_of([given], num_experts=64))
    rewrite(parts_of(folder)[0], set_cell("r0", 7, ids))
    with pytest.raises(TraceError, match=r"layer 0, row 7: \[0, 1, 2, 3, 4, 5, 6, (6|64)\] is no choice of 8"):
        read_everything(folder)


def test_a_weight_beyond_its_steps_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "x.route", [routed(8, 2)])
    rewrite(parts_of(folder)[0], set_cell("w1", 4, 201))
    with pytest.raises(TraceError, match="layer 1, row 4: 201 is no weight of 0 to 200 steps"):
        list(RouteTrace.open(folder).chunks(weights=True))


def cast(name: str, kind: Any) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop_columns(["r1"]), "contradicts the manifest: column r1 is missing, want uint8"),
        (cast("r1", pa.int64()), "contradicts the manifest: column r1 has the type int64, want uint8"),
        (cast("token_id", pa.string()), "contradicts the manifest: column token_id has the type string, want uint32"),
        (lambda table: table.slice(1), "its rows are not those of the documents it lists"),
        (set_cell("doc_id", 3, 99), "its rows are not those of the documents it lists"),
    ],
)
def test_a_part_that_contradicts_the_manifest_or_itself_is_named(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], said: str
) -> None:
    path, found = spoiled(tmp_path, change)
    assert found.startswith(str(path))
    assert said in found


def test_a_manifest_that_promises_more_than_there_is_is_noticed(tmp_path: Path) -> None:
    folder = written(tmp_path / "x.route", [document([(3, 5)])])
    text = (folder / "manifest.json").read_text().replace('"has_nll": false', '"has_nll": true')
    (folder / "manifest.json").write_text(text)
    with pytest.raises(TraceError, match="column nll is missing, want float"):
        list(RouteTrace.open(folder).chunks(nll=True))
