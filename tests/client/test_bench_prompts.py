"""Prompts to measure with are as long as asked, differ from each other, and are the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest

from octavo.client.bench_prompts import (
    FIRST_ID,
    LAST_ID,
    Lengths,
    corpus_pieces,
    custom_prompts,
    random_tokens,
    random_words,
    read_texts,
)
from octavo.errors import RequestError


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_random_tokens_are_exactly_as_long_as_asked() -> None:
    requests = random_tokens(50, Lengths(prompt=40, output=7), generator())
    assert {len(request.prompt) for request in requests} == {40}
    assert {request.output_len for request in requests} == {7}
    assert all(FIRST_ID <= token < LAST_ID for request in requests for token in request.prompt)  # type: ignore[operator]
    assert len({tuple(request.prompt) for request in requests}) == 50
    assert requests == random_tokens(50, Lengths(prompt=40, output=7), generator())


def test_lengths_vary_by_their_share() -> None:
    pairs = Lengths(prompt=100, output=10, ratio=0.5).draw(2000, generator())
    prompts, outputs = zip(*pairs, strict=True)
    assert (min(prompts), max(prompts)) == (50, 150)
    assert (min(outputs), max(outputs)) == (5, 15)


def test_random_words_are_words_of_the_texts() -> None:
    (request,) = random_words(1, Lengths(prompt=9, output=1), generator(), ["the old cat", "the dog"])
    assert isinstance(request.prompt, str)
    assert len(request.prompt.split()) == 9
    assert set(request.prompt.split()) <= {"the", "old", "cat", "dog"}


def test_pieces_of_a_corpus_begin_with_a_word_and_are_about_as_long_as_asked() -> None:
    texts = ["word " * 1000]
    for request in corpus_pieces(30, Lengths(prompt=20, output=1), generator(), texts):
        assert isinstance(request.prompt, str)
        assert request.prompt.startswith("word")
        assert 70 <= len(request.prompt) <= 80


def test_a_short_text_is_taken_whole() -> None:
    (request,) = corpus_pieces(1, Lengths(prompt=20, output=1), generator(), ["short"])
    assert request.prompt == "short"


def test_the_packages_own_texts_are_there_in_many_domains() -> None:
    assert len(read_texts(None)) >= 20


def test_texts_come_from_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    (tmp_path / "b.txt").write_text("two", encoding="utf-8")
    assert read_texts(tmp_path) == ["one", "two"]
    assert read_texts(tmp_path / "b.txt") == ["two"]
    (tmp_path / "b.txt").write_text(" ", encoding="utf-8")
    with pytest.raises(RequestError, match="holds no text"):
        read_texts(tmp_path / "b.txt")


def test_prompts_of_a_file_come_round_again(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "a"}\n\n{"prompt": "b", "output_tokens": 3}\n', encoding="utf-8")
    found = [(request.prompt, request.output_len) for request in custom_prompts(path, 3, 9)]
    assert found == [("a", 9), ("b", 3), ("a", 9)]


@pytest.mark.parametrize("text", ["", "[]\n", '{"prompt": 1}\n', '{"prompt": "a", "output_tokens": 0}\n', "{\n"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match="prompt"):
        custom_prompts(path, 3, 9)


@pytest.mark.parametrize("lengths", [(0, 1, 0.0), (1, 0, 0.0), (1, 1, 1.0), (1, 1, -0.1)])
def test_lengths_that_cannot_be_are_refused(lengths: tuple[int, int, float]) -> None:
    with pytest.raises(RequestError, match="want"):
        Lengths(prompt=lengths[0], output=lengths[1], ratio=lengths[2])
