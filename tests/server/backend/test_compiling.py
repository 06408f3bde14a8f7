"""Compiling stands beside the steps: it has so much time and memory, and one grammar's fate is no other's."""

import json
import os
import select
import signal
import time
from collections.abc import Iterator

import pytest

from octavo import LLM
from octavo.errors import OverCapacity, RequestError
from octavo.server.backend import compiling
from octavo.server.backend.compiling import Checker, Compiler, Result
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.grammar_matching import Grammar, Pieces
from tests.server.engines import gone

DIGITS = GrammarSpec(kind="regex", source="[0-9]+")
# What takes long, as far as anything does: many fields, none of which must be there.
GIANT = GrammarSpec(
    kind="json_schema",
    source=json.dumps({"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(1500)}}),
)


@pytest.fixture(scope="module")
def pieces(mini: LLM) -> Pieces:
    assert mini.tokenizer is not None
    return Pieces.of(mini.tokenizer, [2], vocab_size=8192)


@pytest.fixture
def compiler(pieces: Pieces, mini: LLM) -> Iterator[Compiler]:
    one = Compiler(pieces, mini.tokenizer)
    yield one
    one._checker.stop()


def wait(compiler: Compiler, count: int) -> dict[str, Result]:
    found: dict[str, Result] = {}
    until = time.monotonic() + 90
    while len(found) < count:
        assert time.monotonic() < until
        if select.select([compiler.bell], [], [], 1)[0]:
            found |= compiler.collect()
    return found


def test_a_grammar_is_compiled_once_and_then_at_hand(compiler: Compiler) -> None:
    assert compiler.ask("a", DIGITS) is None
    found = wait(compiler, 1)
    assert isinstance(found["a"], Grammar)
    assert compiler.ask("b", DIGITS) is found["a"]
    assert compiler.collect() == []


def test_a_bad_one_is_refused_and_the_next_is_not(compiler: Compiler) -> None:
    compiler.ask("bad", GrammarSpec(kind="regex", source="(a"))
    compiler.ask("good", DIGITS)
    found = wait(compiler, 2)
    assert isinstance(found["bad"], RequestError)
    assert "unclosed group" in str(found["bad"])
    assert isinstance(found["good"], Grammar)


def test_only_so_many_are_kept(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MOST_KEPT", 2)
    specs = [GrammarSpec(kind="regex", source=letter) for letter in "abc"]
    for spec in specs:
        compiler.ask(spec.source, spec)
    wait(compiler, 3)
    assert [compiler.ask("again", spec) is None for spec in specs] == [True, False, False]
    wait(compiler, 1)


def test_too_many_and_too_long_are_refused_at_once(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="bytes long: want at most"):
        compiler.ask("long", GrammarSpec(kind="regex", source="a" * 2**17 + "a"))
    with pytest.raises(OverCapacity, match="wait to be compiled"):
        for number in range(200):
            compiler.ask(str(number), GrammarSpec(kind="regex", source=f"a{number}"))


def test_one_that_takes_too_long_is_refused_and_its_process_ended(pieces: Pieces) -> None:
    checker = Checker(pieces, seconds=0.001)
    process = checker._started()
    with pytest.raises(RequestError, match=r"takes longer than 0\.001 s to compile: simplify it"):
        checker.check(GIANT)
    assert gone(process.pid)
    checker.stop()


def test_a_checker_that_falls_is_started_anew(pieces: Pieces) -> None:
    checker = Checker(pieces, seconds=20)
    checker.check(DIGITS)
    process = checker._started()
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGKILL)
    while not gone(process.pid):
        time.sleep(0.01)
    checker.check(DIGITS)
    checker.stop()
