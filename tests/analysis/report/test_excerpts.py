"""Excerpts hold the beginnings of documents as they are, and keep to their room."""

import numpy as np
import pytest

from octavo.analysis.report.excerpts import FEWEST_TOKENS, take_excerpts
from octavo.analysis.report.sample import draw_sample
from octavo.analysis.report.words import Spelling, Strings
from tests.analysis.report.traces import PIECES, small_trace


def test_an_excerpt_is_the_document_as_it_was_routed() -> None:
    trace, strings = small_trace(), Strings()
    sample = draw_sample(trace, PIECES)
    names = {each.document: each.name for each in trace.documents()}
    found = take_excerpts(sample, strings, Spelling(pieces=PIECES), names=names, room=10**6)
    assert [each["name"] for each in found] == [f"{domain}/{n}.txt" for domain in ("code", "prose") for n in range(3)]
    assert [each["domain"] for each in found] == [0, 0, 0, 1, 1, 1]
    first, given = found[0], trace.given[0]
    assert given.token_T is not None
    assert given.weight_TLK is not None
    assert [strings.texts[place] for place in first["text"]] == [PIECES[int(token)].decode() for token in given.token_T]
    np.testing.assert_array_equal(first["route"], trace.coding.encode(given.expert_TLK).T)
    np.testing.assert_allclose(first["weight"] / 255, given.weight_TLK[:, :, 0].T, atol=0.5 / 255)
    np.testing.assert_array_equal(first["flag"], given.flag_T)


@pytest.mark.parametrize("room", [0, 5_000, 10_000])
def test_excerpts_keep_to_their_room(room: int) -> None:
    sample = draw_sample(small_trace(), PIECES)
    found = take_excerpts(sample, Strings(), Spelling(pieces=PIECES), names={}, room=room)
    size = sum(each[name].nbytes for each in found for name in ("route", "weight", "flag", "text")) * 4 / 3
    lengths = {len(each["flag"]) for each in found}
    assert lengths == {FEWEST_TOKENS} or size < 2 * room
    assert found[0]["name"] == "document 0"


def test_a_trace_without_words_shows_that_there_are_tokens() -> None:
    sample = draw_sample(small_trace(), {})
    strings = Strings()
    take_excerpts(sample, strings, Spelling(pieces={}), names={}, room=10**6)
    assert set(strings.texts) <= {f"[{token}]" for token in range(40)}
