"""Load over domains and layers, and the losses where there are logits."""

import math
from typing import Any

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics import Intervals
from octavo.analysis.statistics.load import load
from octavo.analysis.statistics.rows import Row
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, uniform


def value(rows: list[Row], measure: str, **keys: Any) -> Any:
    wanted = {"measure": measure, **keys}
    (found,) = [each for each in rows if all(each[name] == want for name, want in wanted.items())]
    return found["value"]


def collapsed() -> MemoryTrace:
    """Four layers, each sure of a pair of its own."""
    routes = [[(2 * layer, 2 * layer + 1) for layer in range(4)]] * 5
    logits_TLE = np.full((5, 4, 8), -1000.0, np.float32)
    for layer in range(4):
        logits_TLE[:, layer, 2 * layer : 2 * layer + 2] = 0
    return MemoryTrace([document(routes, logits_TLE=logits_TLE)])


def test_a_constant_route_violates_most() -> None:
    rows = load(MemoryTrace([constant(6)]))
    assert value(rows, "max-violation") == pytest.approx(3)
    assert value(rows, "gini") == pytest.approx(0.75)
    assert {each["measure"] for each in rows} == {"max-violation", "cv", "gini"}
    assert {(each["n"], each["null_uniform"]) for each in rows} == {(6, 0)}


def test_the_losses_of_a_router_that_collapsed_onto_a_cover() -> None:
    rows = load(collapsed())
    assert [value(rows, "balance-loss", layer=layer) for layer in range(4)] == pytest.approx([4] * 4)
    assert value(rows, "balance-loss-pooled", layer=None) == pytest.approx(2)
    assert value(rows, "z-loss", layer=0) == pytest.approx(math.log(2) ** 2, abs=1e-6)


def test_logits_of_zero_have_the_z_loss_of_the_uniform_router() -> None:
    routes = [(e, (e + 1) % 8) for e in range(8)]
    rows = load(MemoryTrace([document(routes, logits_TLE=np.zeros((8, 1, 8), np.float32))]))
    (z,) = [each for each in rows if each["measure"] == "z-loss"]
    assert z["value"] == pytest.approx(4.324, abs=5e-4)
    assert z["value"] == pytest.approx(z["null_uniform"], abs=1e-6)
    assert value(rows, "balance-loss") == pytest.approx(1)
    assert value(rows, "balance-loss-pooled") == pytest.approx(2)


def test_counts_without_rows_say_the_same() -> None:
    trace = collapsed()
    counts = Accumulators.over(trace, contents=Contents(replicates=0))
    assert load(counts) == load(trace)
    with pytest.raises(TraceError, match="no z-loss without router logits"):
        load(Accumulators.over(trace), measure=["z-loss"])


def test_intervals_hold_the_value() -> None:
    trace = MemoryTrace([uniform(90, seed=seed, name=str(seed)) for seed in range(9)])
    rows = load(trace, intervals=Intervals(replicates=300), measure=["cv"], by="all")
    assert rows[0]["lo"] < rows[0]["hi"]


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(TraceError, match="no load as 'x'"):
        load(MemoryTrace([constant(3)]), measure=["x"])
    with pytest.raises(TraceError, match="no balance-loss without router logits: trace"):
        load(MemoryTrace([constant(3)]), measure=["balance-loss"])
