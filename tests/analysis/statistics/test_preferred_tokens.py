"""The tokens an expert prefers are those it is chosen for more often than chance, frequent ones before rare ones."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.statistics.preferred_tokens import ORDERS, preferred_rows, preferred_tokens, scores_XE, spelled
from octavo.analysis.statistics.token_counts import TokenCounts
from octavo.errors import TraceError
from tests.analysis.statistics.mixtral import mixtral_counts
from tests.analysis.synthetic import MemoryTrace, by_token


def counts_of(table: list[list[int]], **fields: Any) -> TokenCounts:
    return TokenCounts.of_table(np.array([table]), layers=(0,), **{"k": 1, "choice": "first", **fields})


# Ids 0 to 3: common and indifferent; common and mostly expert 1; rare and always expert 1; too rare.
TABLE = [[500, 500], [150, 850], [0, 12], [0, 3]]


def preferred(order: str = "score", **options: Any) -> list[int]:
    return [
        each["token_id"] for each in preferred_rows(counts_of(TABLE), order=order, **options) if each["expert"] == 1
    ]


def test_a_frequent_preference_comes_before_a_rare_certainty() -> None:
    assert preferred() == [1, 2]
    assert preferred("share") == [2, 1]
    assert preferred("count") == [1, 2]


def test_ids_chosen_less_often_than_by_chance_are_nobodys_favourites() -> None:
    experts = {(each["expert"], each["token_id"]) for each in preferred_rows(counts_of(TABLE))}
    assert experts == {(0, 0), (1, 1), (1, 2)}


def test_a_row_says_how_often_and_how_often_by_chance() -> None:
    row = preferred_rows(counts_of(TABLE), vocabulary={1: b" the"})[1]
    assert (row["token"], row["rank"], row["n"], row["null_uniform"]) == (" the", 0, 1000, 0.5)
    assert row["value"] == 0.85
    assert row["null_marginal"] == pytest.approx(1365 / 2015)
    assert row["score"] > 5


def test_rare_ids_and_long_lists_are_cut() -> None:
    assert preferred(min_count=1) == [1, 2, 3]
    assert preferred(top=1) == [1]
    assert preferred(min_count=5000) == []


def test_a_trace_gives_its_own_spelling() -> None:
    trace = MemoryTrace([by_token([1, 2] * 20)], tokens={1: b"caf\xc3\xa9", 2: b"\xf0"})
    rows = preferred_tokens(trace)
    assert [(each["expert"], each["token"], each["value"]) for each in rows] == [(1, "café", 1.0), (2, "\\xf0", 1.0)]


def test_an_expert_chosen_always_or_never_prefers_nothing() -> None:
    scores = scores_XE(np.array([[5.0, 0.0]]), np.array([5.0]), np.array([1.0, 0.0]))
    assert scores.tolist() == [[0.0, 0.0]]


def test_bytes_that_are_no_text_are_shown() -> None:
    assert spelled(None) is None
    assert spelled(b"a\xff") == "a\\xff"


def test_bad_requests_are_refused() -> None:
    with pytest.raises(TraceError, match=", ".join(ORDERS)):
        preferred("beauty")
    with pytest.raises(TraceError, match="want 1 or more of each"):
        preferred(top=0)


# Ids of Mixtral's tokenizer.
WORDS = {
    2: {"is": 349, "was": 403, "be": 347, "are": 460, "have": 506, "had": 553, "been": 750},
    4: {"I": 315, "you": 368, "he": 400, "we": 478, "she": 630, "his": 516, "her": 559},
    6: {"of": 302, "and": 304, "to": 298, "for": 354, "with": 395, "on": 356},
}


def test_experts_of_the_real_mixtral_prefer_words_of_a_kind() -> None:
    rows = preferred_rows(mixtral_counts(), top=12, min_count=20)
    for expert, words in WORDS.items():
        found = {each["token_id"] for each in rows if (each["layer"], each["expert"]) == (15, expert)}
        assert set(words.values()) <= found, expert
