"""A row says what was counted, and gives no number where there is none."""

import math

from octavo.analysis.statistics.rows import RESULTS, keys_of, row


def test_a_row_has_its_keys_first_and_all_results() -> None:
    found = row(value=0.5, n=4, interval=(0.4, 0.6), null_uniform=0.125, domain="code", layer=3)
    assert list(found) == ["domain", "layer", *RESULTS]
    assert keys_of(found) == {"domain": "code", "layer": 3}
    assert (found["lo"], found["hi"], found["null_marginal"]) == (0.4, 0.6, None)


def test_nothing_counted_is_no_value_and_no_interval() -> None:
    found = row(value=0.0, n=0, interval=(0.0, 0.0), null_uniform=0.125)
    assert (found["value"], found["lo"], found["hi"], found["n"]) == (None, None, None, 0)
    assert found["null_uniform"] == 0.125


def test_what_is_no_number_is_none() -> None:
    found = row(value=math.nan, n=3, null_marginal=math.nan, interval=(math.nan, 1.0))
    assert (found["value"], found["null_marginal"], found["lo"]) == (None, None, None)
