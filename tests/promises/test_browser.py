"""The promise of the page in a browser: a few of its strings, and what it says where something is missing."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.promises import browser
from tests.browsing import need


def test_a_few_hostile_strings_are_counted_and_none_fails() -> None:
    need(browser=True)
    promise = browser.hostile_page(0.03, seed=1)
    assert promise.line == "hostile strings in the page: 30 tried, 0 failed"
    assert promise.detail == {"missing": 0, "ran": 0, "misdeeds": 0}


def test_strings_that_cannot_be_looked_at_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "play", lambda *_, **__: "TAP version 13\nnot ok 1 - no page\n")
    assert browser.hostile_page(0.03, seed=1).failed == 30


def test_every_case_of_a_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "TAP version 13\nok 1 - one\nnot ok 2 - two\nok 3 - three\n"
    monkeypatch.setattr(browser, "play", lambda *_, **__: said)
    monkeypatch.setattr(browser, "recorded", list)
    monkeypatch.setattr(browser, "serving", lambda: contextlib.nullcontext(SimpleNamespace(url="")))
    promise = browser.browser(1, seed=0)
    assert (promise.tried, promise.failed) == (9, 3)


def test_a_missing_browser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.browsing.CHROMIUM", str(Path("/nowhere/chromium")))
    with pytest.raises(RuntimeError, match="no /nowhere/chromium"):
        browser.play("x", "http://127.0.0.1:1/")
