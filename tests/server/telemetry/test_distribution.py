"""A value falls into the first bucket whose bound it does not pass, and buckets add up."""

import pytest

from octavo.server.telemetry.distribution import Distribution, one_two_five


def test_a_bound_itself_belongs_to_its_bucket() -> None:
    found = Distribution((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        found.add(value)
    assert found.buckets() == [("1.0", 2.0), ("2.0", 4.0), ("+Inf", 5.0)]
    assert (found.count, found.total) == (5, 14.0)


def test_a_value_may_count_several_times() -> None:
    found = Distribution((1.0,))
    found.add(0.25, 4)
    assert found.buckets() == [("1.0", 4.0), ("+Inf", 4.0)]
    assert found.total == pytest.approx(1.0)


def test_without_values_all_buckets_are_empty() -> None:
    assert Distribution((1.0,)).buckets() == [("1.0", 0.0), ("+Inf", 0.0)]


def test_bounds_for_tokens_stop_where_they_should() -> None:
    assert one_two_five(100) == (1, 2, 5, 10, 20, 50, 100)
    assert one_two_five(300) == (1, 2, 5, 10, 20, 50, 100, 200)
