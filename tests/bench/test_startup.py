"""Starts are timed from outside, each cold one with an empty cache of kernels."""

import os
from pathlib import Path

import pytest

from octavo.bench import startup
from octavo.bench.startup import CACHES, measure_startup
from octavo.bench.subject import Plea
from octavo.errors import OctavoError

PLEA = Plea(shape="octavo-mini", random_weights=False, device="cpu")


def test_a_start_ends_with_a_token(tmp_path: Path) -> None:
    seconds, token = startup.start(PLEA, tmp_path)
    assert 0.1 < seconds < 120
    assert token >= 0


def test_a_warm_start_finds_what_the_cold_one_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def start(plea: Plea, caches: Path) -> tuple[float, int]:
        seen.append(os.listdir(caches))
        (caches / "kernel").touch()
        return float(len(seen)), 7

    monkeypatch.setattr(startup, "start", start)
    told: list[int] = []
    started = measure_startup(PLEA, 2, told.append)
    assert seen == [[], ["kernel"]] * 2
    assert (started.cold, started.warm, started.token) == ((1.0, 3.0), (2.0, 4.0), 7)
    assert told == [1, 2, 3, 4]
    assert len(CACHES) == 3


def test_starts_that_differ_are_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter((7, 8))
    monkeypatch.setattr(startup, "start", lambda plea, caches: (1.0, next(tokens)))
    with pytest.raises(OctavoError, match=r"different tokens, \[7, 8\]"):
        measure_startup(PLEA, 1, lambda done: None)


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(OctavoError, match=r"ended without a token: .*nowhere"):
        startup.start(Plea(shape="nowhere", random_weights=True, device="cpu"), tmp_path)
