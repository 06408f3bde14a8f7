"""A tekken.json is read with the ids of mistral-common, and a damaged one is refused by name."""

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

from octavo.errors import TokenizerError
from octavo.tokenizer import Tokenizer
from octavo.tokenizer.tekken import read_tekken
from tests.tokenizer.conftest import SHIPPED
from tests.tokenizer.texts import random_texts


@pytest.mark.parametrize("name", ["tekken_240718.json", "tekken_240911.json"])
def test_random_texts_and_ids_are_those_of_mistral_common(name: str) -> None:
    tokenizer = Tokenizer.from_file(SHIPPED / name)
    oracle = Tekkenizer.from_file(SHIPPED / name)
    assert (tokenizer.vocab_size, tokenizer.bos_id, tokenizer.eos_id) == (oracle.n_words, oracle.bos_id, oracle.eos_id)
    assert tokenizer.special_ids == oracle.special_ids
    for text in random_texts(4_000, seed=7):
        ids = tokenizer.encode(text, add_bos=False)
        assert ids == oracle.encode(text, bos=False, eos=False), repr(text)
        assert tokenizer.decode(ids) == text
    random_ = random.Random(8)
    for _ in range(2_000):
        ids = [random_.randrange(1000, random_.choice((1256, oracle.n_words))) for _ in range(random_.randrange(20))]
        assert tokenizer.decode(ids) == oracle.decode(ids)


def tiny(**changes: Any) -> dict[str, Any]:
    pieces = [bytes([byte]) for byte in range(256)] + [b"ab"]
    config = {"pattern": r"\w+|\W", "default_vocab_size": 277, "default_num_special_tokens": 20, "version": "v3"}
    vocab = [{"rank": rank, "token_bytes": base64.b64encode(piece).decode()} for rank, piece in enumerate(pieces)]
    return {"config": config | changes.pop("config", {}), "vocab": vocab} | changes


def read(tmp_path: Path, content: object) -> Any:
    path = tmp_path / "tekken.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_tekken(path)


def test_a_small_file_is_read(tmp_path: Path) -> None:
    encoder, vocabulary, version = read(tmp_path, tiny())
    assert (encoder.encode("ab"), len(vocabulary.tokens), version) == ([276], 277, "v3")


WRONG: dict[str, tuple[object, str]] = {
    "empty": ("", "Expecting value"),
    "truncated": (json.dumps(tiny())[:-500], "was found, a tekken tokenizer was wanted"),
    "a list": ([], "a JSON list was found"),
    "nested too deep": ("[" * 100_000, "nested too deep"),
    "no config": ({"vocab": []}, "KeyError 'config'"),
    "a newer version": (tiny(config={"version": "v13"}), "version 'v13' was found, v3 or v7 was wanted"),
    "no version": (tiny(config={"version": None}), "version None"),
    "too few tokens": (tiny(config={"default_vocab_size": 300}), "257 different tokens were found, 280 were wanted"),
    "fewer than the bytes": (tiny(config={"default_vocab_size": 30}), "10 were wanted"),
    "a negative size": (tiny(config={"default_vocab_size": -1}), "count -1"),
    "a token that is not base64": (tiny(vocab=[{"rank": 0, "token_bytes": "%%"}]), "was found"),
    "bytes out of order": (tiny(vocab=tiny()["vocab"][::-1]), "rank 256 at place 0"),
    "a pattern that does not compile": (tiny(config={"pattern": "("}), "a pattern that does not compile"),
    "a control token twice": (tiny(special_tokens=[{"rank": 0, "token_str": "<s>"}] * 2), "with one twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(tmp_path: Path, case: str) -> None:
    content, found = WRONG[case]
    with pytest.raises(TokenizerError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "tekken.json")) and found in message and "\n" not in message


def test_garbage_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tekken.json"
    path.write_bytes(b"\xff\xfe\x00" * 40)
    with pytest.raises(TokenizerError, match="a tekken tokenizer was wanted"):
        read_tekken(path)
