"""Intervals come from documents drawn again, the same ones for everybody."""

import numpy as np
import pytest

from octavo.analysis.statistics import intervals as module
from octavo.analysis.statistics.intervals import DocumentSums, Intervals, interval_of, ratio
from octavo.errors import TraceError


def mean_of(replicate_RX: np.ndarray) -> np.ndarray:
    return np.asarray(replicate_RX[:, 0] / replicate_RX[:, 1])


def sums_of(values: np.ndarray) -> DocumentSums:
    documents = DocumentSums()
    documents.add("x", np.stack([values, np.ones_like(values)], axis=1))
    return documents


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(size=400)
    lo, hi = interval_of(sums_of(values), "x", Intervals(replicates=4000), mean_of)  # type: ignore[misc]
    wanted = 1.96 * values.std() / 20
    assert lo == pytest.approx(values.mean() - wanted, abs=0.01)
    assert hi == pytest.approx(values.mean() + wanted, abs=0.01)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for seed in range(200):
        found = interval_of(sums_of(rng.normal(size=60)), "x", Intervals(replicates=300, seed=seed), mean_of)
        assert found is not None
        held += bool(found[0] <= 0 <= found[1])
    assert 180 <= held <= 199


def test_one_document_has_no_interval() -> None:
    assert interval_of(sums_of(np.array([1.0])), "x", Intervals(), mean_of) is None
    assert interval_of(sums_of(np.array([1.0, 2.0])), "x", None, mean_of) is None
    assert interval_of(sums_of(np.array([1.0, 2.0])), "y", Intervals(), mean_of) is None


def test_chunks_do_not_change_the_interval() -> None:
    values = np.arange(10.0)
    parts = DocumentSums()
    for part in np.split(np.stack([values, np.ones(10)], axis=1), [3, 4]):
        parts.add("x", part)
    wanted = interval_of(sums_of(values), "x", Intervals(), mean_of)
    assert wanted is not None
    np.testing.assert_array_equal(interval_of(parts, "x", Intervals(), mean_of), wanted)


def test_few_weights_at_a_time_draw_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = sums_of(np.arange(10.0))
    wanted = sums.replicates("x", Intervals(replicates=7))
    monkeypatch.setattr(module, "DOCUMENTS_AT_ONCE", 20)
    np.testing.assert_array_equal(sums.replicates("x", Intervals(replicates=7)), wanted)


def test_the_seed_and_the_domain_decide_the_draws() -> None:
    draws = [module.document_weights(module.generator(*key), 5, 4) for key in [(0, "a"), (0, "a"), (1, "a"), (0, "b")]]
    assert (draws[0].sum(axis=1) == 4).all()
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()
    assert (draws[0] != draws[3]).any()


def test_a_replicate_without_a_number_is_left_out() -> None:
    replicate_RX = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    ends_2X = Intervals(level=0.5).quantiles(replicate_RX)
    assert ends_2X[:, 0].tolist() == [1.5, 2.5]
    assert np.isnan(ends_2X[:, 1]).all()


def test_a_quotient_by_nothing_is_no_number() -> None:
    assert np.isnan(ratio(np.array([1, 0]), np.array([0, 0]))).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"replicates": 1}, "1 replicates"), ({"level": 1.0}, "a level of 1.0"), ({"seed": -1}, "a seed of -1")],
)
def test_what_makes_no_interval_is_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        Intervals(**wrong)  # type: ignore[arg-type]
