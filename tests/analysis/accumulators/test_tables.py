"""Counts add up over shards in any order, and nothing is counted twice."""

from dataclasses import replace

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.selection import Selection
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, chunk_of, manifest_of, uniform

DOCUMENTS = [
    uniform(30 + 7 * seed, num_layers=2, seed=seed, domain=domain, name=str(seed), first_token_is_bos=True)
    for domain in ("a", "b")
    for seed in range(4)
]
MANIFEST = replace(manifest_of(DOCUMENTS), vocab_size=100)
CONTENTS = Contents(lags=(1, 2, 5), replicates=8)
TRACE = MemoryTrace(DOCUMENTS, MANIFEST)


def shards() -> list[Accumulators]:
    """One for each document."""
    made = []
    for number, document in enumerate(DOCUMENTS):
        made.append(Accumulators(manifest=MANIFEST, contents=CONTENTS))
        made[-1].add(chunk_of([document], MANIFEST, numbers=[number]))
    return made


def same(one: Accumulators, other: Accumulators) -> bool:
    assert one.tables.keys() == other.tables.keys()
    return all(
        (table == other.tables[domain][name]).all()
        for domain, tables in one.tables.items()
        for name, table in tables.items()
    )


@pytest.mark.parametrize("seed", range(5))
def test_shards_in_any_order_give_the_table_of_one_run(seed: int) -> None:
    whole = Accumulators.over(TRACE, contents=CONTENTS)
    merged = Accumulators(manifest=MANIFEST, contents=CONTENTS)
    made = shards()
    for place in np.random.default_rng(seed).permutation(len(made)):
        merged.merge(made[place])
    assert same(merged, whole)
    assert len(merged.parts) == len(made)
    assert merged.documents == whole.documents
    assert all(table.dtype == np.int64 for tables in merged.tables.values() for table in tables.values())


def test_merging_is_merging_of_what_was_merged() -> None:
    made = shards()
    left, right = made[0], made[1]
    left.merge(made[2])
    right.merge(made[3])
    left.merge(right)
    assert left.num_tokens == sum(each.num_tokens - 1 for each in DOCUMENTS[:4])
    with pytest.raises(TraceError, match="added before"):
        left.merge(made[3])


def test_adding_a_shard_twice_is_noticed_and_changes_nothing() -> None:
    one, other = shards()[:2]
    one.merge(other)
    before = {name: table.copy() for name, table in one.tables["a"].items()}
    with pytest.raises(TraceError, match=r"added before \(part [0-9a-f]{12}\)"):
        one.merge(other)
    assert all((one.tables["a"][name] == table).all() for name, table in before.items())


def test_a_document_counts_once_however_it_comes() -> None:
    chunk = chunk_of(DOCUMENTS[:2], MANIFEST)
    counts = Accumulators(manifest=MANIFEST, contents=CONTENTS)
    counts.add(chunk)
    with pytest.raises(TraceError, match="document 0 of domain 'a' was counted before"):
        counts.add(chunk_of(DOCUMENTS[:1], MANIFEST))
    other = Accumulators(manifest=MANIFEST, contents=CONTENTS)
    other.add(chunk_of(DOCUMENTS[1:3], MANIFEST, numbers=[1, 2]))
    with pytest.raises(TraceError, match="document 1 of domain 'a'"):
        counts.merge(other)
    assert counts.documents == {"a": {0, 1}}


def test_tables_agree_with_each_other() -> None:
    counts = Accumulators.over(TRACE, contents=CONTENTS)
    tokens = sum(each.num_tokens - 1 for each in DOCUMENTS)
    both = counts.domains
    assert both == ("a", "b")
    assert counts.num_tokens == tokens
    assert counts.table("documents", both) == 8
    assert counts.table("rank", both).sum(axis=2).tolist() == [[tokens] * 2] * 2
    assert counts.table("vocabulary").sum(axis=(1, 3)).tolist() == [[tokens] * 2] * 2
    assert counts.table("layer_pair", both).sum() == tokens
    assert counts.table("pair", both).sum(axis=(1, 2)).tolist() == [tokens - 8] * 2
    assert counts.table("pairs", both).tolist() == [tokens - 8, tokens - 16, tokens - 40]
    assert (counts.table("repeat_code", both).sum(axis=2) == 2 * counts.table("pairs", both)[:, None]).all()
    assert (counts.table("vocabulary").sum(axis=1) == counts.table("rank", both)).all()


def test_replicates_weigh_documents_by_their_numbers() -> None:
    from octavo.analysis.accumulators.poisson import poisson_weights

    counts = Accumulators.over(TRACE, contents=CONTENTS)
    weight_RS = poisson_weights(np.arange(4), "a", replicates=8, seed=0)
    tokens_S = np.array([each.num_tokens - 1 for each in DOCUMENTS[:4]])
    assert (counts.table("weights", ("a",)) == weight_RS @ tokens_S).all()
    assert (counts.table("replicate_pairs", ("a",)) == weight_RS @ (tokens_S - 1)).all()


def test_many_experts_are_counted_without_codes() -> None:
    documents = [uniform(50, num_experts=64, k=8, num_layers=2, seed=seed, name=str(seed)) for seed in range(3)]
    counts = Accumulators.over(MemoryTrace(documents, manifest_of(documents, num_experts=64)))
    assert counts.table("together", ("x",)).sum(axis=(1, 2)).tolist() == [150 * 8 * 7] * 2
    assert counts.table("neighbours", ("x",)).sum(axis=(1, 2)).tolist() == [150 * 2 * 7] * 2
    assert counts.table("repeat_first", ("x",)).sum() == 2 * 2 * 147
    with pytest.raises(TraceError, match="kept without 'pair'"):
        counts.table("pair", ("x",))


def test_across_documents_a_domain_is_one_text_and_has_no_shards() -> None:
    selection = Selection(bos=True, across_documents=True)
    counts = Accumulators.over(TRACE, selection=selection)
    tokens = sum(each.num_tokens for each in DOCUMENTS)
    assert counts.table("pairs", counts.domains).tolist() == [tokens - 2]
    with pytest.raises(TraceError, match="cannot be counted in shards"):
        counts.merge(Accumulators(manifest=MANIFEST, contents=counts.contents, selection=selection))


def test_what_does_not_fit_is_refused() -> None:
    counts = Accumulators(manifest=MANIFEST, contents=CONTENTS)
    with pytest.raises(TraceError, match="counts with other contents"):
        counts.merge(Accumulators(manifest=MANIFEST))
    with pytest.raises(TraceError, match="vocab_size is 99, want 100"):
        counts.merge(Accumulators(manifest=replace(MANIFEST, vocab_size=99), contents=CONTENTS))
    with pytest.raises(TraceError, match="a chunk of 1 layers: want the 2"):
        counts.add(chunk_of(DOCUMENTS[:1], MANIFEST, layers=[1]))
    assert counts.domains == ()
