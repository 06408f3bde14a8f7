"""A figure is one row of exactly the agreed names, and says where it comes from."""

from dataclasses import replace

import pytest
import torch

from octavo.bench.figures import Figure, commit, origin, processor, spread_of, surroundings

NAMES = [
    "shape",
    "device",
    "phase",
    "weights",
    "batch",
    "context",
    "experts_touched",
    "telemetry",
    "tokens_per_second",
    "roofline",
    "spread",
    "check",
    "commit",
    "date",
]
FIGURE = Figure(
    shape="mini",
    device="here",
    phase="decode",
    weights="fp32",
    batch=1,
    context=2,
    experts_touched=2.0,
    telemetry="on",
    tokens_per_second=30.0,
    roofline=60.0,
    spread=0.1,
    check="green",
    commit="abc",
    date="2026-11-24",
)


def test_a_row_has_exactly_the_agreed_names() -> None:
    assert list(FIGURE.row()) == NAMES


def test_the_share_is_of_the_roofline() -> None:
    assert FIGURE.share == 0.5
    assert replace(FIGURE, roofline=None).share is None


def test_the_spread_is_half_the_range_of_the_middle_eight_tenths() -> None:
    assert spread_of([5.0]) == 0.0
    assert spread_of(range(1, 12)) == pytest.approx((10 - 2) / 2 / 6)


def test_where_it_comes_from_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    assert set(origin(cpu)) == {"device", "commit", "date"}
    assert surroundings(cpu)["torch"] == torch.__version__
    assert processor()
    assert commit()
    monkeypatch.setenv("OCTAVO_COMMIT", "told")
    assert commit() == "told"


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("OCTAVO_COMMIT", raising=False)
    assert commit() == "unknown"
