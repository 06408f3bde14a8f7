"""How tokens are spread over experts: known answers, and intervals that hold."""

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics import Intervals, Selection
from octavo.analysis.statistics.assignment_share import assignment_share, rank_names, shares
from octavo.analysis.statistics.rows import Row
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, document, manifest_of, uniform

THREE = MemoryTrace([document([(0, 1), (0, 2), (1, 0)])])
MANY = MemoryTrace(
    [uniform(60, num_layers=2, seed=seed, domain=domain, name=str(seed)) for domain in "ab" for seed in range(5)]
)


def values(rows: list[Row], **keys: object) -> list[float]:
    return [each["value"] for each in rows if all(each[name] == wanted for name, wanted in keys.items())]


def test_three_tokens_by_hand() -> None:
    rows = assignment_share(THREE)
    assert values(rows, choice="either")[:4] == pytest.approx([1 / 2, 1 / 3, 1 / 6, 0])
    assert values(rows, choice="first")[:3] == pytest.approx([2 / 3, 1 / 3, 0])
    assert values(rows, choice="second")[:3] == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert {(each["n"], each["null_uniform"]) for each in rows if each["choice"] == "either"} == {(6, 1 / 8)}
    rows = assignment_share(THREE, norm="tokens")
    assert values(rows, choice="either")[:4] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert {(each["n"], each["null_uniform"]) for each in rows if each["choice"] == "either"} == {(3, 1 / 4)}


def test_rows_sum_to_one_or_to_k_and_choices_to_either() -> None:
    for norm, total in (("assignments", 1), ("tokens", 2)):
        rows = assignment_share(MANY, norm=norm)
        for domain in "ab":
            for layer in (0, 1):
                either = values(rows, domain=domain, layer=layer, choice="either")
                assert sum(either) == pytest.approx(total)
                if norm == "tokens":
                    first, second = (
                        values(rows, domain=domain, layer=layer, choice=rank) for rank in ("first", "second")
                    )
                    assert np.add(first, second).tolist() == pytest.approx(either)


def test_all_domains_together_are_one_text() -> None:
    rows = assignment_share(MANY, by="all")
    assert {each["domain"] for each in rows} == {None}
    assert {each["n"] for each in rows if each["choice"] == "either"} == {1200}


def test_intervals_hold_the_value_and_need_two_documents() -> None:
    rows = assignment_share(MANY, intervals=Intervals(replicates=200), choice=["either"], norm="tokens")
    assert all(each["lo"] <= each["value"] <= each["hi"] for each in rows)
    assert np.mean([each["lo"] <= 0.25 <= each["hi"] for each in rows]) > 0.6
    alone = assignment_share(THREE, intervals=Intervals())
    assert {(each["lo"], each["hi"]) for each in alone} == {(None, None)}


def test_the_seed_decides_the_interval() -> None:
    first, again, other = (
        [each["lo"] for each in assignment_share(MANY, intervals=Intervals(replicates=50, seed=seed))]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_counts_without_rows_say_the_same() -> None:
    counts = Accumulators.over(MANY, contents=Contents(replicates=400))
    rows, kept = assignment_share(MANY), assignment_share(counts, intervals=Intervals())
    assert [each["value"] for each in rows] == [each["value"] for each in kept]
    wide = assignment_share(MANY, intervals=Intervals(replicates=400))
    widths, kept_widths = ([each["hi"] - each["lo"] for each in some] for some in (wide, kept))
    assert np.mean(kept_widths) == pytest.approx(np.mean(widths), rel=0.25)


def test_counts_without_replicates_have_no_intervals_and_say_so() -> None:
    with pytest.raises(TraceError, match="no replicates"):
        assignment_share(Accumulators.over(MANY), intervals=Intervals())
    with pytest.raises(TraceError, match="bos=False, not True"):
        assignment_share(Accumulators.over(MANY), selection=Selection(bos=True))


def test_layers_and_domains_narrow_the_rows() -> None:
    selection = Selection(layers=(1,), domains=("b",))
    for source in (MANY, Accumulators.over(MANY)):
        rows = assignment_share(source, selection=selection, choice=["first"])
        assert {(each["domain"], each["layer"]) for each in rows} == {("b", 1)}
        assert [each["value"] for each in rows] == values(assignment_share(MANY, choice=["first"]), domain="b", layer=1)


def test_nothing_counted_is_no_share() -> None:
    rows = assignment_share(MemoryTrace([document([(0, 1)], flags=[3])]))
    assert {(each["value"], each["n"]) for each in rows} == {(None, 0)}


def test_a_trace_that_knows_no_ranks_has_no_first_choice() -> None:
    trace = MemoryTrace(THREE.given, manifest_of(THREE.given, rank_ordered=None))
    assert {each["choice"] for each in assignment_share(trace)} == {"either"}
    with pytest.raises(TraceError, match="nobody knows which expert came first"):
        assignment_share(trace, choice=["first"])


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(TraceError, match="no choice 'third': want first, second or either"):
        assignment_share(THREE, choice=["third"])
    with pytest.raises(TraceError, match="shares of 'x'"):
        assignment_share(THREE, norm="x")
    with pytest.raises(TraceError, match="rows by 'layer'"):
        assignment_share(THREE, by="layer")


def test_many_experts_have_named_ranks() -> None:
    assert rank_names(9)[-2:] == ("eighth", "9th")
    trace = MemoryTrace([uniform(50, num_experts=64, k=8)], manifest_of([uniform(5, k=8)], num_experts=64))
    rows = assignment_share(trace, norm="tokens", choice=["either"])
    assert sum(values(rows)) == pytest.approx(8)


def test_shares_are_computable_from_counts_alone() -> None:
    assert shares(np.array([[1, 3], [0, 0]]))[0].tolist() == [0.25, 0.75]
    assert np.isnan(shares(np.array([[0, 0]]))).all()
