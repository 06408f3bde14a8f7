"""Cards name the tokens that an expert reads, and where they stood; the commonest tokens add up."""

import numpy as np

from octavo.analysis.report.cards import CONTEXTS, commonest_tokens, contexts, expert_cards, spell_places
from octavo.analysis.report.sample import draw_sample
from octavo.analysis.report.words import NOWHERE, Spelling, Strings
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.token_counts import token_counts
from tests.analysis.report.traces import PIECES, small_trace

SAMPLE = draw_sample(small_trace(each=8), PIECES)
COUNTS = token_counts(SAMPLE, selection=Selection())


def test_an_expert_that_reads_ids_mod_eight_has_just_these_on_its_card() -> None:
    cards = expert_cards(COUNTS, min_count=5)
    for expert in range(8):
        found = [token for token in cards["token"][0, expert].tolist() if token != NOWHERE]
        assert found
        assert {token % 8 for token in found} == {expert}
    read = cards["token"][0] != NOWHERE
    np.testing.assert_array_equal(cards["count"][0][read], cards["of"][0][read])


def test_a_token_that_is_rarer_than_the_minimum_is_on_no_card() -> None:
    assert (expert_cards(COUNTS, min_count=10**6)["token"] == NOWHERE).all()


def test_a_context_shows_a_token_of_the_card_where_its_expert_read_it() -> None:
    strings, spelling = Strings(), Spelling(pieces=PIECES)
    cards = expert_cards(COUNTS, min_count=5)
    found = contexts(SAMPLE, cards["token"], strings, spelling, selection=Selection())
    assert found["text"].shape == (4, 8, CONTEXTS, 3)
    for expert in range(8):
        tops = {spelling.alone(token) for token in cards["token"][0, expert].tolist() if token != NOWHERE}
        shown = [strings.texts[place] for place in found["text"][0, expert, :, 1] if place != NOWHERE]
        assert shown
        assert set(shown) <= tops
        assert set(found["domain"][0, expert].tolist()) <= {0, 1}
    chunk = SAMPLE.held[SAMPLE.domains[found["domain"][0, 1, 0]]]
    assert chunk.token_T is not None
    whole = "".join(spelling.texts(chunk.token_T.tolist()))
    assert "".join(strings.texts[place] for place in found["text"][0, 1, 0]) in whole


def test_the_commonest_tokens_are_read_by_someone_every_time() -> None:
    common = commonest_tokens(COUNTS)
    assert sorted(common["n"].tolist(), reverse=True) == common["n"].tolist()
    assert 0 not in common["token"]
    for layer in range(4):
        np.testing.assert_array_equal(common["count"][layer].sum(axis=1), common["n"])


def test_spelling_leaves_empty_places_empty() -> None:
    strings = Strings()
    placed = spell_places(np.array([[3, NOWHERE]]), strings, Spelling(pieces=PIECES))
    assert placed.tolist() == [[0, NOWHERE]]
    assert strings.texts == [" w3"]
