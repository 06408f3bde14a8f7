"""The report of the samples: made once, made anew when something changed, and its texts fit for it."""

import json
import os
from pathlib import Path

import pytest

from octavo.analysis.store import RouteTrace
from octavo.api.llm import LLM
from octavo.collect import demonstration
from octavo.collect.demonstration import LIBRARY, cache_folder, demonstrate, sample_sources
from octavo.collect.texts import Fields, texts_of
from octavo.errors import TraceError
from octavo.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "LIMITS", {"max_tokens": 1500})


def test_the_samples_are_two_texts_in_each_domain_of_octavo_minis_card() -> None:
    domains = [source.domain for source in sample_sources() if source.domain != LIBRARY]
    card = "biomedical dm_mathematics encyclopedia french german gutenberg italian law math_latex philosophy"
    wanted = [*card.split(), "source_code", "spanish", "stackexchange", "technical_docs"]
    assert {domain: domains.count(domain) for domain in domains} == dict.fromkeys(wanted, 2)
    assert sum(source.domain == LIBRARY for source in sample_sources()) >= 5


def test_samples_and_library_are_less_than_twenty_thousand_tokens_of_octavo_mini() -> None:
    tokenizer = Tokenizer.from_folder(ROOT / "octavo" / "mini")
    counts: dict[str, int] = {}
    for source in sample_sources():
        (text,) = texts_of(source, Fields())
        counts[source.domain] = counts.get(source.domain, 0) + len(tokenizer.encode(text.text))
    own = [count for domain, count in counts.items() if domain != LIBRARY]
    assert min(own) > 300 and max(own) < 700
    assert sum(own) + min(counts[LIBRARY], 12_000) < 20_000


def test_the_generated_questions_have_the_right_answers() -> None:
    sources = [source for source in sample_sources() if source.name.endswith("arithmetic.txt")]
    (text,) = texts_of(sources[0], Fields())
    lines = text.text.splitlines()
    for question, answer in zip(lines[::2], lines[1::2], strict=True):
        words = question.rstrip("?.").split()
        match words:
            case ["What", "is", a, "+", b]:
                found = int(a) + int(b)
            case ["What", "is", a, "divided", "by", b]:
                found = int(a) // int(b)
            case ["Calculate", a, "-", b]:
                found = int(a) - int(b)
            case ["Multiply", a, "and", b]:
                found = int(a) * int(b)
            case ["Work", "out", a, "-", b, "+", product]:
                c, d = product.split("*")
                found = int(a.strip("(")) - int(b.strip(")")) + int(c) * int(d)
            case _:
                raise AssertionError(question)
        assert found == int(answer), question


def test_the_report_is_made_once_and_anew_when_its_texts_change(
    llm: LLM, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    first = demonstrate(llm, model="m", folder=folder, cache=tmp_path, tell=lambda what, _: told.append(what))
    assert first.fresh
    assert {"tracing the samples", "writing the report"} <= set(told)
    assert RouteTrace.open(first.trace).num_tokens == first.num_tokens == 1500
    before = first.report.stat().st_mtime_ns
    again = demonstrate(llm, model="m", folder=folder, cache=tmp_path)
    assert not again.fresh
    assert again.report.stat().st_mtime_ns == before
    monkeypatch.setattr(demonstration, "MODULES", ("keyword", "bisect"))
    changed = demonstrate(llm, model="m", folder=folder, cache=tmp_path)
    assert changed.fresh
    assert "script" in changed.report.read_text(encoding="utf-8")


@pytest.mark.parametrize("damage", ["{", "[]", None])
def test_a_torn_or_missing_note_means_anew(llm: LLM, folder: Path, tmp_path: Path, damage: str | None) -> None:
    kept = demonstrate(llm, model="m", folder=folder, cache=tmp_path)
    note = kept.report.with_name("made-of.json")
    assert json.loads(note.read_text())["num_tokens"] == 1500
    if damage is None:
        kept.report.unlink()
    else:
        note.write_text(damage)
    assert demonstrate(llm, model="m", folder=folder, cache=tmp_path).fresh


def test_the_cache_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "octavo"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "octavo"


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(demonstration.tempfile, "gettempdir", lambda: str(tmp_path))
    assert cache_folder() == tmp_path / f"octavo-{os.getuid()}" / "octavo"
    monkeypatch.setattr(demonstration.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    with pytest.raises(TraceError, match="no folder for the report"):
        cache_folder()


def test_a_stranger_among_the_temporary_files_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(demonstration.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(demonstration.os, "getuid", lambda: 12345)
    (tmp_path / "octavo-12345").symlink_to(elsewhere)
    with pytest.raises(TraceError, match="no folder"):
        cache_folder()
