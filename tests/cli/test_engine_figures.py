"""``octavo bench decode`` and its like: a table for people, rows for programs, one line for what cannot be."""

import json
from pathlib import Path

import pytest

from octavo.bench import device_rates
from octavo.cli.engine_figures import Asked, numbers, tasks_of
from octavo.errors import RequestError
from tests.cli.conftest import Run

SMALL = ("--steps", "3", "--batch", "1,2", "--context", "32")
KEYS = (
    "shape device phase weights batch context experts_touched telemetry tokens_per_second roofline spread check commit "
    "date"
)


@pytest.fixture(autouse=True)
def small_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(device_rates.ELEMENTS, "cpu", 1 << 16)
    monkeypatch.setitem(device_rates.PRODUCT, "cpu", (32, 32, 32))


@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_rows_have_exactly_the_agreed_names(octavo: Run, phase: str) -> None:
    done = octavo("bench", phase, "--shape", "mini", "--random-weights", *SMALL, "--json")
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [" ".join(row) for row in rows] == [KEYS] * 2
    assert [row["batch"] for row in rows] == [1, 2]
    assert {row["shape"] for row in rows} == {"mini"}


def test_a_table_shows_share_and_check(octavo: Run, tmp_path: Path) -> None:
    kept = tmp_path / "results" / "decode.json"
    done = octavo("bench", "decode", *SMALL, "--telemetry", "off", "-o", kept)
    assert done.exit_code == 0, done.stderr
    assert "octavo-mini, fp32, on " in done.stdout
    assert "decode 2, 32, telemetry off: green: " in done.stdout
    assert f"Figures in {kept}" in done.stdout
    document = json.loads(kept.read_text())
    assert set(document["rates"]) == {"read", "copy", "matrix"}
    assert document["torch"]
    assert len(document["rows"]) == 2


def test_a_layer_shows_operations(octavo: Run) -> None:
    done = octavo("bench", "layer", "--shape", "mini", "--batch", "2", "--steps", "3")
    assert done.exit_code == 0, done.stderr
    assert "FLOP/s" in done.stdout


def test_telemetry_shows_both_kinds_and_the_interval(octavo: Run) -> None:
    done = octavo("bench", "telemetry", "--shape", "mini", "--random-weights", "--steps", "5", "--context", "40")
    assert done.exit_code == 0, done.stderr
    assert "on/off " in done.stdout
    assert "in 5 pairs" in done.stdout


def test_a_start_shows_cold_and_warm(octavo: Run) -> None:
    done = octavo("bench", "startup", "--repeats", "1", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert "cold kernel cache" in done.stdout
    assert "warm kernel cache" in done.stdout


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--shape", "mixtral-8x7b"), 3, "add --random-weights, or name a folder"),
        (("--shape", "nothing"), 3, "shape 'nothing' is not known"),
        (("--batch", "1,x"), 2, "--batch is '1,x': want whole numbers"),
        (("--context", "0"), 2, "--context is '0': want whole numbers"),
        (("--context", "2048"), 2, "lower --context or --steps"),
        (("--device", "tpu"), 3, "device is 'tpu'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(octavo: Run, flags: tuple[str, ...], code: int, said: str) -> None:
    done = octavo("bench", "decode", *flags)
    assert done.exit_code == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_has_no_room_is_refused_with_the_numbers(octavo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from octavo.engine.memory_plan import Room

    room = Room(device="cpu", free=10_000, total=10_000, shared=True)
    monkeypatch.setattr("octavo.engine.capacity.room_of", lambda device: room)
    done = octavo("bench", "decode", "--shape", "mini", "--random-weights", *SMALL)
    assert done.exit_code == 4
    assert "more memory than there is" in done.stderr


def test_every_context_is_measured_at_each_batch() -> None:
    asked = Asked(batch="1,8", context="512,4096", steps=3, telemetry="on")
    assert [(task.context, task.batch) for task in tasks_of(asked, seed=0)] == [
        (512, 1),
        (512, 8),
        (4096, 1),
        (4096, 8),
    ]
    assert numbers("3, 4", "--batch") == [3, 4]
    with pytest.raises(RequestError):
        numbers("", "--batch")
