"""A tokenizer.model is read with the ids of sentencepiece, and a damaged one is refused by name."""

import random
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor

from octavo.errors import TokenizerError
from octavo.tokenizer.decoder import decode
from octavo.tokenizer.sentencepiece import read_sentencepiece
from tests.tokenizer.conftest import SENTENCEPIECE
from tests.tokenizer.texts import random_texts

V1 = SENTENCEPIECE["v1"]


@pytest.mark.parametrize(("version", "count"), [("v1", 20_000), ("v2", 2_000), ("v3", 20_000), ("v7", 2_000)])
def test_random_texts_have_the_ids_of_sentencepiece(version: str, count: int) -> None:
    encoder, _ = read_sentencepiece(SENTENCEPIECE[version])
    oracle = SentencePieceProcessor(model_file=str(SENTENCEPIECE[version]))
    for text in random_texts(count, seed=count):
        assert encoder.encode(text) == oracle.encode(text), repr(text)


@pytest.mark.parametrize("version", SENTENCEPIECE)
def test_random_ids_have_the_text_of_sentencepiece(version: str) -> None:
    _, vocabulary = read_sentencepiece(SENTENCEPIECE[version])
    oracle = SentencePieceProcessor(model_file=str(SENTENCEPIECE[version]))
    random_ = random.Random(3)
    text_ids = [index for index in range(len(vocabulary.tokens)) if index not in vocabulary.control_ids]
    byte_ids = [index for index in text_ids if vocabulary.tokens[index].startswith("<0x")]
    for _ in range(3_000):
        ids = [random_.choice(random_.choice((text_ids, byte_ids))) for _ in range(random_.randrange(20))]
        assert decode(vocabulary, ids) == oracle.decode(ids)


def test_the_control_tokens_are_those_of_the_model() -> None:
    _, vocabulary = read_sentencepiece(V1)
    assert vocabulary.control == {"<unk>": 0, "<s>": 1, "</s>": 2}
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.unk_id) == (1, 2, 0)


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(TokenizerError) as caught:
        read_sentencepiece(path)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x00", b"version https://git-lfs.github.com/spec/v1\n", b"\xff" * 64])
def test_garbage_is_refused_in_one_line_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    message = refusal(tmp_path / "tokenizer.model", content)
    assert message.startswith(str(tmp_path / "tokenizer.model")) and "\n" not in message and "wanted" in message


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    whole = V1.read_bytes()
    for size in random.Random(1).sample(range(len(whole)), 30):
        assert "tokenizer.model" in refusal(tmp_path / "tokenizer.model", whole[:size])


def test_a_model_with_a_flipped_byte_loads_or_is_refused(tmp_path: Path) -> None:
    random_ = random.Random(2)
    path = tmp_path / "tokenizer.model"
    for _ in range(10):
        blob = bytearray(V1.read_bytes())
        blob[random_.randrange(len(blob))] ^= 1 << random_.randrange(8)
        path.write_bytes(blob)
        try:
            read_sentencepiece(path)
        except TokenizerError as error:
            assert "\n" not in str(error)


def test_a_unigram_model_is_refused(tmp_path: Path) -> None:
    bpe = b"\x18\x02"  # field 3 of the training settings: model type 2
    blob = V1.read_bytes()
    at = blob.rindex(bpe)
    assert "unigram model was found, a BPE model was wanted" in refusal(
        tmp_path / "tokenizer.model", blob[:at] + b"\x18\x01" + blob[at + 2 :]
    )
