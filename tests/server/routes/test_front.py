"""The front reads prompts without blocking, and refuses what cannot fit before it is encoded."""

import asyncio
import threading
from pathlib import Path

import pytest

from octavo.errors import CheckpointError, RequestError
from octavo.server.routes.front import Front, aside, make_front, open_front
from octavo.tokenizer.encoder import Encoder
from tests.server.scripted import ScriptedService

FACTS = ScriptedService([[5]], vocab_size=8192).facts


def test_the_front_of_the_embedded_model_needs_no_weights() -> None:
    front = open_front()
    assert front.names == ("octavo-mini",)
    assert front.tokenizer is not None and front.config.num_experts == 8
    assert open_front(names=("a", "b")).names == ("a", "b")


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="none"):
        open_front(str(tmp_path / "none"))


def test_a_text_is_read_with_and_without_what_goes_around_it(front: Front) -> None:
    with_marks = asyncio.run(front.read_text("The old captain", FACTS))
    bare = asyncio.run(front.read_text("The old captain", FACTS, special=False))
    assert with_marks.token_ids == (1, *bare.token_ids)
    assert with_marks.text == bare.text == "The old captain"


def test_what_cannot_fit_is_refused_before_it_is_encoded(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(*given: object, **options: object) -> list[int]:
        raise AssertionError("it was encoded")

    monkeypatch.setattr(Encoder, "encode", encode)
    text = "x" * (front.longest_piece * 512 + 1)
    says = f"{len(text)} bytes is at least 513 tokens long: want at most 511, since the model's length is 512"
    with pytest.raises(RequestError, match=says):
        asyncio.run(front.read_text(text, FACTS))
    with pytest.raises(RequestError, match=says):
        asyncio.run(front.read_messages([{"role": "user", "content": [{"type": "text", "text": text}]}], FACTS))


def test_no_text_that_fits_is_refused_for_its_bytes(front: Front) -> None:
    assert front.tokenizer is not None
    longest = max(front.tokenizer.vocabulary.pieces, key=len)
    text = longest.decode() * 500
    assert len(asyncio.run(front.read_text(text, FACTS)).token_ids) <= 512


def test_long_texts_and_conversations_are_read_in_a_thread(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    encode = Encoder.encode

    def watched(self: Encoder, text: str, *, first: bool = True) -> list[int]:
        threads.append(threading.current_thread().name)
        return encode(self, text, first=first)

    monkeypatch.setattr(Encoder, "encode", watched)
    asyncio.run(front.read_text("word " * 200, FACTS))
    asyncio.run(front.read_messages([{"role": "user", "content": "x"}], FACTS))
    assert threads and "MainThread" not in threads
    threads.clear()
    asyncio.run(front.read_text("short", FACTS))
    assert threads == ["MainThread"]


def test_a_model_without_a_tokenizer_takes_ids_only(front: Front) -> None:
    bare = make_front(("bare",), front.config, None)
    for reading in (bare.read_text("x", FACTS), bare.read_messages([{"role": "user", "content": "x"}], FACTS)):
        with pytest.raises(RequestError, match="lists of token ids"):
            asyncio.run(reading)


def test_work_that_is_short_is_done_at_once() -> None:
    assert asyncio.run(aside(lambda: threading.current_thread().name, False)) == "MainThread"
    assert asyncio.run(aside(lambda: threading.current_thread().name, True)) != "MainThread"
