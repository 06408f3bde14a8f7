"""Descriptors: the bound is raised as far as it may be, never lowered, and one that is too low is told."""

import logging

import pytest

from octavo.server.edge import descriptors

INFINITE = descriptors.resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "after", "warns"),
    [
        (1024, 100_000, 4096, 4352, False),
        (1024, 2048, 4096, 2048, True),
        (8192, 8192, 4096, 8192, False),
        (1024, INFINITE, 4096, 4352, False),
        (INFINITE, INFINITE, 4096, INFINITE, False),
    ],
)
def test_the_bound_is_raised_as_far_as_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    soft: int,
    hard: int,
    wanted: int,
    after: int,
    warns: bool,
) -> None:
    held = [soft, hard]
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda kind: tuple(held))
    monkeypatch.setattr(descriptors.resource, "setrlimit", lambda kind, pair: held.__setitem__(slice(None), pair))
    with caplog.at_level(logging.WARNING):
        assert descriptors.allow_descriptors(wanted) == after
    assert held == [after, hard]
    assert bool(caplog.records) == warns
