"""Two runs are compared where they read the same tokens, and only there."""

import numpy as np

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.report.comparison import compare_runs
from octavo.analysis.report.courses import ALL
from octavo.analysis.report.opening import told
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.intervals import Intervals
from tests.analysis.report.traces import small_trace

FEW = Intervals(replicates=20)


def test_a_trace_differs_nowhere_from_itself() -> None:
    pages, left_out = compare_runs(told(small_trace()), told(small_trace()), selection=Selection(), intervals=FEW)
    assert left_out == []
    assert [page["title"] for page in pages] == ["Other first choices than in “toy”", "Other experts than in “toy”"]
    for page in pages:
        assert page["against"] == "RUN.route"
        assert [line["domain"] for line in page["lines"]] == ["code", "prose", ALL]
        assert all((line["value"] == 0).all() for line in page["lines"])


def test_what_was_swapped_is_another_first_choice_of_the_same_experts() -> None:
    changed = small_trace()
    for each in changed.given:
        each.expert_TLK[10:16, 2] = each.expert_TLK[10:16, 2, ::-1]
    (first, sets), _ = compare_runs(told(small_trace()), told(changed), selection=Selection(), intervals=None)
    np.testing.assert_allclose(first["lines"][-1]["value"], [0, 0, 6 / 58, 0])
    assert (sets["lines"][-1]["value"] == 0).all()


def test_other_texts_and_counts_are_not_compared_and_say_so() -> None:
    for other, why in (
        (told(small_trace(seed=1)), "flips against toy: "),
        (told(Accumulators.over(small_trace())), "flips: "),
    ):
        pages, left_out = compare_runs(told(small_trace()), other, selection=Selection(), intervals=FEW)
        assert pages == []
        assert left_out[0][0] == "left out"
        assert left_out[0][1].startswith(why)
