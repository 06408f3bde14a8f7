"""What a trace would cost on several GPUs."""

from typing import Any

import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics.placement import placement
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, manifest_of, uniform


def found(trace: MemoryTrace, **options: Any) -> dict[tuple[str, int, str], dict[str, Any]]:
    return {(each["plan"], each["layer"], each["measure"]): each for each in placement(trace, **options)}


def test_one_busy_pair_on_one_gpu_or_on_two() -> None:
    rows = found(MemoryTrace([constant(10, route=(0, 1))]))
    assert rows["contiguous", 0, "imbalance"]["value"] == pytest.approx(2)
    assert rows["contiguous", 0, "fan-out"]["value"] == pytest.approx(1)
    assert rows["balanced", 0, "imbalance"]["value"] == pytest.approx(1)
    assert rows["balanced", 0, "fan-out"]["value"] == pytest.approx(2)


def test_copies_spread_a_busy_expert() -> None:
    trace = MemoryTrace([document([(0, 1), (0, 2), (0, 3), (0, 4)])])
    one = found(trace, gpus=4)["balanced", 0, "imbalance"]["value"]
    more = found(trace, gpus=4, slots=12)["balanced", 0, "imbalance"]["value"]
    assert one == pytest.approx(2)
    assert more < one


def test_a_copied_layer_never_hops_and_a_crossed_one_always_does() -> None:
    same = MemoryTrace([document([[(e, (e + 1) % 8)] * 2 for e in range(8)])])
    assert found(same)["contiguous", 0, "hops"]["value"] == 0
    crossed = MemoryTrace([document([[(e, (e + 1) % 8), ((e + 4) % 8, e)] for e in range(8)])])
    hops = found(crossed)["contiguous", 0, "hops"]
    assert hops["value"] == 1
    assert hops["null_uniform"] == hops["null_marginal"] == pytest.approx(0.5)
    assert ("contiguous", 1, "hops") not in found(crossed)


def test_even_routers_come_near_their_null() -> None:
    rows = found(MemoryTrace([uniform(20000, num_layers=2)]), gpus=4)
    for measure, even in (("imbalance", 1), ("fan-out", 4 * (1 - 15 / 28)), ("hops", 0.75)):
        each = rows["contiguous", 0, measure]
        assert each["null_uniform"] == pytest.approx(even)
        assert each["value"] == pytest.approx(even, rel=0.03)


def test_counts_without_rows_say_the_same() -> None:
    trace = MemoryTrace([uniform(100, num_layers=3, domain=name, name=name, seed=ord(name)) for name in "ab"])
    counts = Accumulators.over(trace, contents=Contents(replicates=0))
    assert placement(counts, gpus=4) == placement(trace, gpus=4)


def test_many_experts_have_a_load_at_least() -> None:
    documents = [uniform(200, num_experts=64, k=8)]
    rows = placement(MemoryTrace(documents, manifest_of(documents, num_experts=64)), gpus=8)
    assert {each["measure"] for each in rows} == {"imbalance"}
    plain, planned = (
        next(each["value"] for each in rows if each["plan"] == plan) for plan in ("contiguous", "balanced")
    )
    assert 1 <= planned < plain


def test_what_cannot_be_is_refused() -> None:
    trace = MemoryTrace([constant(3)])
    with pytest.raises(TraceError, match="no plan 'x': want contiguous or balanced"):
        placement(trace, plan=["x"])
    with pytest.raises(TraceError, match="8 slots over 3"):
        placement(trace, gpus=3)
    with pytest.raises(TraceError, match="4 slots for 8 experts"):
        placement(trace, slots=4)
