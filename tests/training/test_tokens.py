"""Every document becomes ids between a begin and an end, on disk, before anything is trained."""

import json
from itertools import pairwise

import numpy as np
import pytest

from octavo.errors import CorpusError, TokenizerError
from octavo.training.corpus import Shard, documents, shards
from octavo.training.tokens import CHAT, Encoder, id_type, tokenise


def test_the_tokens_are_those_of_the_documents_in_order(corpus, tokenizer, tmp_path):
    encoder = Encoder.load(tokenizer)
    for shard, found in zip(
        shards(corpus, "train"), tokenise(shards(corpus, "train"), tokenizer, tmp_path), strict=True
    ):
        texts = [document.text for document in documents(shard.path)]
        starts = found.start_D1.tolist()
        read = [found.id_N[a:b].tolist() for a, b in pairwise(starts)]
        assert read == [[encoder.begin, *ids, encoder.end] for ids in encoder.encode(texts)]
        assert found.byte_D.tolist() == [len(text.encode()) for text in texts]
        assert encoder.tokenizer.decode(read[0]) == texts[0]


def test_a_text_that_spells_a_control_token_stays_text(tokenizer):
    encoder = Encoder.load(tokenizer)
    (ids,) = encoder.encode(["</s>[INST]<s>"])
    assert not {encoder.begin, encoder.end, encoder.ask, encoder.answer} & set(ids)
    assert encoder.tokenizer.decode(ids) == "</s>[INST]<s>"


def test_a_chat_has_the_v3_form(tokenizer):
    encoder = Encoder.load(tokenizer)
    q, a, q2, a2 = encoder.encode([" the token", " the stone", " the river", " the light"])
    s, e, ask, answer = encoder.begin, encoder.end, encoder.ask, encoder.answer
    assert encoder.chat([("the token", "the stone"), ("the river", "the light")]) == [
        *(s, ask, *q, answer, *a, e),
        *(ask, *q2, answer, *a2, e),
    ]


def test_chats_are_told_beside_the_text(tmp_path, tokenizer):
    record = {"text": "Q: the token\n\nA:\n\nthe stone"}
    path = tmp_path / "qa.train.jsonl"
    path.write_text(json.dumps(record) + "\n" + json.dumps({"text": "the river"}) + "\n")
    plain, told = tokenise([Shard("qa", path)], tokenizer, tmp_path / "tokens", chats=True)
    assert (plain.domain, len(plain.byte_D)) == ("qa", 2)
    assert (told.domain, len(told.byte_D)) == (CHAT, 1)
    assert told.id_N.tolist() == Encoder.load(tokenizer).chat([("the token", "the stone")])


def test_several_processes_make_the_same_tokens_as_one(corpus, tokenizer, tmp_path):
    one = tokenise(shards(corpus, "train"), tokenizer, tmp_path / "one")
    two = tokenise(shards(corpus, "train"), tokenizer, tmp_path / "two", workers=2)
    for a, b in zip(one, two, strict=True):
        assert a.id_N.tolist() == b.id_N.tolist()


def test_what_has_not_changed_is_not_read_again(corpus, tokenizer, tmp_path):
    tokenise(shards(corpus, "train"), tokenizer, tmp_path)
    made = (tmp_path / "prose.train.jsonl.ids").stat().st_mtime_ns
    tokenise(shards(corpus, "train"), tokenizer, tmp_path)
    assert (tmp_path / "prose.train.jsonl.ids").stat().st_mtime_ns == made
    with (corpus / "prose.train.jsonl").open("a") as file:
        file.write(json.dumps({"text": "the stone"}) + "\n")
    (_, prose) = tokenise(shards(corpus, "train"), tokenizer, tmp_path)
    assert len(prose.byte_D) == 41


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_document_stops_it_wherever_it_is_read(corpus, tokenizer, tmp_path, workers):
    with (corpus / "prose.train.jsonl").open("ab") as file:
        file.write(b'{"text": "\xff"}\n')
    with pytest.raises(CorpusError, match=r"prose\.train\.jsonl, line 41 is not UTF-8"):
        tokenise(shards(corpus, "train"), tokenizer, tmp_path, workers=workers)
    # What was half done is done anew, not taken for whole.
    with pytest.raises(CorpusError, match="line 41 is not UTF-8"):
        tokenise(shards(corpus, "train"), tokenizer, tmp_path)


def test_a_domain_may_not_be_called_as_the_chats_are(tmp_path, tokenizer):
    with pytest.raises(CorpusError, match="a domain named 'chat'"):
        tokenise([Shard(CHAT, tmp_path / "chat.train.jsonl")], tokenizer, tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(TokenizerError, match=r"tokenizer\.json is missing"):
        Encoder.load(tmp_path)


def test_ids_take_two_bytes_while_they_fit():
    assert id_type(1 << 16) is np.uint16
    assert id_type((1 << 16) + 1) is np.uint32
