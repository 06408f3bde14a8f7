"""A coloured text is the text, byte for byte, whatever its tokens are; and every token has its expert."""

import functools
from pathlib import Path
from typing import Any

import mistral_common
import numpy as np
import pytest

from octavo.analysis.chunk import Flag
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.coloured_text import coloured_text, coloured_texts
from octavo.errors import TraceError
from octavo.tokenizer.encoder import Encoder
from octavo.tokenizer.sentencepiece import read_sentencepiece
from octavo.tokenizer.tekken import read_tekken
from octavo.tokenizer.vocabulary import Vocabulary
from tests.analysis.synthetic import MemoryTrace, document, manifest_of, uniform

SHIPPED = Path(mistral_common.__file__).parent / "data"
FILES = ["tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3", "tekken_240911.json"]
PIECES = {1: b"<s>", 3: b" caf", 4: b"\xc3", 5: b"\xa9", 6: b"<b>", 7: b"\n"}
TEXTS = [
    "def forward(self, x):\n    return self.gate(x)\n",
    "  Zwei Leerzeichen am Anfang und am Ende  ",
    "🦙 und 👩‍👩‍👧‍👦, ٣ × ∑ — «naïve» \u200b\t\ttabs",
    "<script>alert('&amp;')</script>\x00\x1b[31m",
    "日本語のテキスト",
]


def hand(**fields: Any) -> MemoryTrace:
    tokens = [1, 3, 4, 5, 6]
    flags = [Flag.BOS | Flag.SPECIAL, 0, Flag.TIE, Flag.MISSING, 0]
    routes = [[(0, 1), (1, 0)], [(2, 3), (3, 2)], [(4, 5), (5, 4)], [(0, 0), (0, 0)], [(6, 7), (7, 6)]]
    made = document(routes, tokens=tokens, flags=[int(each) for each in flags], **fields)
    return MemoryTrace([made], tokens=PIECES)


def test_tokens_have_their_text_expert_and_tie() -> None:
    rows = [each for each in coloured_text(hand()) if each["layer"] == 1]
    assert [(each["token"], each["expert"], each["tie"], each["n"]) for each in rows] == [
        (" caf", 3, False, 1),
        ("", 5, True, 1),
        ("é", None, False, 0),
        ("<b>", 7, False, 1),
    ]
    assert [each["position"] for each in rows] == [1, 2, 3, 4]


def test_the_value_is_the_weight_of_the_choice() -> None:
    weights = np.full((5, 2, 2), 0.5, np.float32)
    weights[1, 0] = (0.75, 0.25)
    row = coloured_text(hand(weight_TLK=weights))[0]
    assert (row["value"], row["null_uniform"], row["expert"]) == (0.75, 0.5, 2)
    assert coloured_text(hand())[0]["value"] is None


def test_control_tokens_are_shown_where_they_count() -> None:
    shown = coloured_texts(hand(), selection=Selection(bos=True, special=True))[0]
    assert (shown.piece_T[0], shown.special_T.tolist()[:2]) == (b"<s>", [True, False])
    assert shown.content == b" caf\xc3\xa9<b>"


@functools.cache
def tokenizer(file: str) -> tuple[Encoder, Vocabulary]:
    encoder, vocabulary, *_ = (read_tekken if file.startswith("tekken") else read_sentencepiece)(SHIPPED / file)
    return encoder, vocabulary


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_byte_for_byte(file: str, text: str) -> None:
    encoder, vocabulary = tokenizer(file)
    assert vocabulary.bos_id is not None
    ids = [vocabulary.bos_id, *encoder.encode(text)]
    flags = [int(Flag.BOS | Flag.SPECIAL), *[0] * (len(ids) - 1)]
    made = document(uniform(len(ids)).expert_TLK.tolist(), tokens=ids, flags=flags)
    pieces = {token: piece for token, piece in enumerate(vocabulary.pieces) if piece}
    (shown,) = coloured_texts(MemoryTrace([made], tokens=pieces), max_tokens=1000)
    space = b" " if vocabulary.leading_space else b""
    assert shown.content == space + text.encode()
    assert "".join(shown.texts).encode() == shown.content


def test_the_first_document_of_each_domain_is_shown_or_those_named() -> None:
    documents = [document([(0, 1)] * 3, domain=domain, name=name, tokens=[6] * 3) for domain in "ab" for name in "xy"]
    trace = MemoryTrace(documents, tokens=PIECES)
    assert [each.document for each in coloured_texts(trace)] == [0, 2]
    assert [each.document for each in coloured_texts(trace, documents=[1, 3])] == [1, 3]
    assert len(coloured_text(trace, documents=[1], max_tokens=2)) == 2
    with pytest.raises(TraceError, match="no document 9"):
        coloured_texts(trace, documents=[1, 9])


def test_what_cannot_be_coloured_is_refused() -> None:
    made = document([(0, 1)])
    with pytest.raises(TraceError, match="no text to colour"):
        coloured_text(MemoryTrace([made]))
    with pytest.raises(TraceError, match="nobody knows which expert came first"):
        coloured_text(MemoryTrace([made], manifest_of([made], rank_ordered=None), tokens=PIECES))
    with pytest.raises(TraceError, match="want 1 or more"):
        coloured_text(hand(), max_tokens=0)
