"""The end of the demo: where the report is, or one line on why there is none."""

import json
from pathlib import Path

import pytest

from octavo.collect import demonstration
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def small_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demonstration, "LIMITS", {"max_tokens": 1500})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_demo_ends_with_the_report(octavo: Run, folder: Path, tmp_path: Path) -> None:
    done = octavo("demo", folder, "--max-tokens", "2", "--report")
    assert done.exit_code == 0, done.stderr
    report = tmp_path / "cache" / "octavo" / "demo" / "report.html"
    assert done.stdout.splitlines()[-2] == f"  {report.as_uri()}"
    assert report.exists()
    told = json.loads(octavo("demo", folder, "--max-tokens", "2", "--report", "--json").stdout)
    assert told["report"] == str(report)


def test_other_models_have_one_only_when_it_is_asked_for(octavo: Run, folder: Path) -> None:
    assert "report.html" not in octavo("demo", folder, "--max-tokens", "2").stdout
    assert json.loads(octavo("demo", folder, "--max-tokens", "2", "--json").stdout)["report"] is None


def test_nowhere_to_write_keeps_no_demo_from_its_end(
    octavo: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(demonstration.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    done = octavo("demo", folder, "--max-tokens", "2", "--report")
    assert done.exit_code == 0
    assert done.stderr.startswith("octavo: no report: no folder for the report")
    assert done.stderr.count("\n") == 1
    assert "Try next" in done.stdout


def test_without_pyarrow_the_demo_says_how_to_have_it(
    octavo: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    done = octavo("demo", folder, "--max-tokens", "2", "--report")
    assert done.exit_code == 0
    assert "pip install 'octavo[trace]'" in done.stderr
