"""Tokens side by side in memory keep their documents and domains, and can be dealt out among equals."""

import numpy as np

from octavo.analysis.selection import Selection
from octavo.analysis.statistics.words import words_of
from tests.analysis.synthetic import MemoryTrace, by_token

TRACE = MemoryTrace(
    [
        by_token([7, 9, 7], domain="b", name="one"),
        by_token([9, 9], domain="a", name="two"),
        by_token([4, 7, 9], domain="b", name="three", flags=[3, 0, 0]),
    ]
)


def test_tokens_keep_their_document_and_domain() -> None:
    words = words_of(TRACE, Selection())
    assert words.domain_T.tolist() == [0, 0, 1, 1, 1, 1, 1]
    assert words.document_T.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert words.word_T.tolist() == [1, 1, 0, 1, 0, 0, 1]
    assert words.first_LT.tolist() == [[1, 1, 7, 1, 7, 7, 1]]


def test_some_of_the_documents_of_each_domain_are_enough() -> None:
    assert words_of(TRACE, Selection(), max_tokens=4).document_T.tolist() == [0, 0, 1, 1, 1]
    assert words_of(TRACE, Selection(), max_tokens=100).num_tokens == 7


def test_a_table_counts_first_choices_by_key() -> None:
    words = words_of(TRACE, Selection())
    table = words.table(words.word_T, words.first_LT[0])
    assert table[0].tolist() == [0, 0, 0, 0, 0, 0, 0, 3]
    assert table[1].tolist() == [0, 4, 0, 0, 0, 0, 0, 0]
    assert words.entropy_given(words.word_T, words.first_LT[0]) == 0.0


def test_pairs_are_numbered_without_gaps() -> None:
    words = words_of(TRACE, Selection())
    pair_T = words.paired_with(words.domain_T)
    assert sorted(set(pair_T.tolist())) == [0, 1, 2]
    assert pair_T[0] == pair_T[1] != pair_T[3]


def test_tokens_change_places_with_their_like_only() -> None:
    words = words_of(MemoryTrace([by_token([1, 2, 3, 1, 2, 1] * 20)]), Selection())
    order_T = words.order_within_ids(np.random.default_rng(0))
    assert sorted(order_T.tolist()) == list(range(120))
    assert (words.word_T[order_T] == words.word_T).all()
    assert (order_T != np.arange(120)).any()


def test_groups_of_documents_have_a_like_part_of_every_domain() -> None:
    documents = [by_token([1, 2], domain=domain, name=str(number)) for domain in "ab" for number in range(4)]
    words = words_of(MemoryTrace(documents), Selection())
    group_T, groups = words.groups(2)
    assert groups == 2
    for domain in (0, 1):
        assert group_T[words.domain_T == domain].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert words.groups(20)[1] == 8
    assert words_of(TRACE, Selection()).groups(20)[1] == 3
