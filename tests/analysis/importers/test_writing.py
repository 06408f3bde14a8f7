"""What was imported is a trace like any other, and nothing is written of what cannot be imported."""

from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, load
from octavo.analysis.chunk import Flag
from octavo.analysis.importers.recording import Marks, Recording
from octavo.analysis.importers.shape import RouterShape
from octavo.analysis.importers.writing import Words, import_files
from octavo.analysis.store import RouteTrace
from octavo.errors import TraceError

SHAPE = RouterShape(num_experts=8, k=2, layers=(0, 1, 2))
WORDS = Words(pieces=[b"<s>", b"a", b"b", b"\xf0"], marks=Marks(bos=0, special=frozenset({0})))


def rows(count: int) -> np.ndarray:
    generator = np.random.default_rng(count)
    return generator.permuted(np.tile(np.arange(8), (count, 3, 1)), axis=2)[:, :, :2]


def test_arrays_of_several_files_become_a_trace_with_a_domain_for_each(tmp_path: Path) -> None:
    for name, count in (("prose", 4), ("code", 3)):
        np.savez(tmp_path / f"{name}.npz", routed_experts=rows(count), token_ids=np.arange(count + 1) % 4)
    paths = [tmp_path / "prose.npz", tmp_path / "code.npz"]
    done = import_files(paths, "vllm", tmp_path / "x.route", shape=SHAPE, words=WORDS)
    assert isinstance(done, Recording)
    trace = RouteTrace.open(tmp_path / "x.route")
    assert trace.domains == ("code", "prose") and trace.num_tokens == 9
    assert trace.manifest.rank_ordered is None and trace.manifest.source == "vllm"
    assert trace.vocabulary() == {0: b"<s>", 1: b"a", 2: b"b", 3: b"\xf0"} and trace.special_ids == {0}
    (code,) = trace.chunks(domains=["code"])
    assert np.array_equal(np.moveaxis(code.expert_LTK, 0, 1)[:3], rows(3))
    assert code.flag_T.tolist() == [Flag.BOS | Flag.SPECIAL, 0, 0, Flag.MISSING]


def test_transformers_logits_are_kept(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(size=(3, 10, 8)).astype(np.float32)
    np.savez(tmp_path / "a.npz", router_logits=logits, input_ids=np.arange(10).reshape(2, 5))
    import_files([tmp_path / "a.npz"], "transformers", tmp_path / "a.route", shape=SHAPE)
    trace = RouteTrace.open(tmp_path / "a.route")
    assert trace.manifest.rank_ordered is True
    (chunk,) = trace.chunks(weights=True, logits=True)
    assert np.array_equal(chunk.expert_LTK[:, :, 0], logits.argmax(axis=2))
    assert chunk.logits_LTE is not None and np.abs(chunk.logits_LTE - logits).max() < 0.1
    assert chunk.weight_LTK is not None and np.abs(chunk.weight_LTK.sum(axis=2) - 1).max() < 1e-2


def test_counts_become_a_trace_of_counts(tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "golden" / "mixtral-8x7b-expert-counts.json"
    done = import_files([golden], "olmoe", tmp_path / "x.route")
    assert isinstance(done, Accumulators)
    assert load(tmp_path / "x.route").num_tokens == 1_044_480
    with pytest.raises(TraceError, match="keeps statistics only"):
        RouteTrace.open(tmp_path / "x.route")


def test_counts_of_tokens_keep_what_the_ids_spell(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"counts": {"d": [{"0": {"1": 2, "2": 2}, "3": {"1": 2, "2": 2}}]}}')
    shape = RouterShape(num_experts=8, k=2, layers=(4,))
    import_files([path], "olmoe", tmp_path / "x.route", shape=shape, words=WORDS)
    assert load(tmp_path / "x.route").vocabulary()[2] == b"b"
    import_files([path], "olmoe", tmp_path / "y.route", shape=shape)
    assert load(tmp_path / "y.route").vocabulary() == {}


def test_nothing_is_written_of_what_cannot_be_imported(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.npy", tmp_path / "bad.npy"
    np.save(good, rows(4))
    np.save(bad, rows(4) + 1)
    with pytest.raises(TraceError, match=r"bad\.npy.*expert 8"):
        import_files([good, bad], "vllm", tmp_path / "x.route", shape=SHAPE)
    assert not (tmp_path / "x.route").exists()
    np.savez(tmp_path / "ids.npz", routed_experts=rows(4), token_ids=np.array([1, 2, 3, 4]))
    with pytest.raises(TraceError, match=r"ids\.npz: token id 4, the tokenizer has 4"):
        import_files([tmp_path / "ids.npz"], "vllm", tmp_path / "x.route", shape=SHAPE, words=WORDS)
    assert not (tmp_path / "x.route").exists()
    with pytest.raises(TraceError, match="ids alone do not say"):
        import_files([good], "vllm", tmp_path / "x.route")
    with pytest.raises(TraceError, match="no importer for 'csv'"):
        import_files([good], "csv", tmp_path / "x.route")
    with pytest.raises(TraceError, match="2 files of counts: want one"):
        import_files([good, bad], "olmoe", tmp_path / "x.route")
    (tmp_path / "x.route").mkdir()
    (tmp_path / "x.route" / "notes.txt").write_text("mine")
    with pytest.raises(TraceError, match="is there already"):
        import_files([good], "vllm", tmp_path / "x.route", shape=SHAPE)
