"""The runner of the promises: one line each, a sheet that keeps the newest of each name, and a page made of it."""

import importlib.util
import json
from pathlib import Path

import pytest

from benchmarks.promises import __main__ as runner
from benchmarks.promises.honest import percentile
from benchmarks.promises.promise import Promise, count
from benchmarks.promises.sheet import SHEET, entry, read_sheet, write_entry

ROOT = Path(__file__).parent.parent.parent
ORIGIN = {"device": "a machine", "cores": 2, "python": "3.11", "torch": "2.13", "commit": "abc", "date": "2026-01-01"}


def test_a_promise_is_told_in_one_line() -> None:
    promise = Promise(name="slow connections", tried=1000, failed=0)
    assert promise.line == "slow connections: 1000 tried, 0 failed"
    assert promise.kept
    assert not Promise(name="x", tried=10, failed=1).kept
    assert not Promise(name="x", tried=0, failed=0).kept


def test_a_share_of_a_count_is_at_least_one() -> None:
    assert (count(1000, 1), count(1000, 0.1), count(5, 0.01)) == (1000, 100, 1)


def keep_nothing(scale: float, seed: int) -> Promise:
    """Says that it always fails."""
    raise RuntimeError("no server")


def keep_all(scale: float, seed: int) -> Promise:
    """Tries nothing, well.

    More that nobody reads.
    """
    return Promise(name="all", tried=count(10, scale), failed=0, detail={"seed": seed})


def test_a_promise_that_raises_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    promise = runner.attempt(keep_nothing, 1, 0)
    assert (promise.name, promise.failed) == ("keep nothing", 1)
    assert "no server" in capsys.readouterr().err


def test_the_runner_prints_writes_and_ends_with_what_it_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.json"
    monkeypatch.setattr(runner, "find", lambda names: iter([("here", keep_all)]))
    assert runner.main(["--scale", "0.5", "--seed", "7", "--output", str(sheet)]) == 0
    assert capsys.readouterr().out.startswith("all: 5 tried, 0 failed (here, ")
    (found,) = read_sheet(sheet)
    assert (found["about"], found["tried"], found["detail"]) == ("Tries nothing, well.", 5, {"seed": 7})
    assert {"commit", "date", "device", "cores", "torch", "uvicorn"} <= set(found["origin"])
    monkeypatch.setattr(runner, "find", lambda names: iter([("a", keep_nothing), ("b", keep_all)]))
    assert runner.main(["--scale", "0.1"]) == 1


def test_an_unknown_promise_is_named_with_those_there_are() -> None:
    with pytest.raises(SystemExit, match="promises: nobody is not known: want some of "):
        list(runner.find(["nobody"]))


def test_the_sheet_keeps_the_newest_of_each_name_in_order(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.json"
    for name, tried in (("b", 1), ("a", 2), ("b", 3)):
        promise = Promise(name=name, tried=tried, failed=0)
        write_entry(entry(promise, about="x", scale=1, seed=0, seconds=1, origin=ORIGIN), sheet)
    assert [(each["name"], each["tried"]) for each in read_sheet(sheet)] == [("a", 2), ("b", 3)]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.99) == 4
    assert percentile([], 0.5) == 0


def test_the_page_says_what_the_sheet_says() -> None:
    spec = importlib.util.spec_from_file_location("reliability_page", ROOT / "docs" / "reliability_page.py")
    assert spec and spec.loader
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert writer.PAGE.read_text("utf-8") == writer.page(writer.read()), "run python docs/reliability_page.py"
    made = entry(
        Promise(name="a", tried=1000, failed=0, detail={"p99": "2 ms"}),
        about="x",
        scale=1,
        seed=0,
        seconds=1,
        origin=ORIGIN,
    )
    shown = writer.page([made])
    assert "| a | 1,000 | 0 | 2026-01-01 | abc |" in shown
    assert "- p99: 2 ms" in shown


def test_every_promise_on_the_sheet_was_kept_in_full() -> None:
    if SHEET.exists():
        entries = json.loads(SHEET.read_text("utf-8"))["promises"]
        assert [each["name"] for each in entries if each["failed"] or each["scale"] < 1] == []
