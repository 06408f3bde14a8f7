"""Batches hold whole sequences side by side; shares are kept, documents stay apart, and all is repeatable."""

from pathlib import Path

import numpy as np
import pytest
import torch

from octavo.batch import Batch
from octavo.errors import ConfigError
from octavo.model import Transformer
from octavo.training.packing import IGNORED, Packer, domain_shares
from octavo.training.tokens import TokenShard


def shard(domain, lengths, *, first=10):
    """Documents 1 <first> <first + 1> ... 2; every document's ids tell it from the others."""
    ids, starts = [], [0]
    for number, length in enumerate(lengths):
        ids += [1, *(first + (number * 7 + i) % 80 for i in range(length - 2)), 2]
        starts.append(len(ids))
    sizes = np.array(lengths, np.int64) * 3
    return TokenShard(domain, Path(f"{domain}.train.jsonl"), np.array(ids, np.uint16), np.array(starts), sizes)


def packer(shards, shares=None, *, num_tokens=64, context=16, seed=0):
    shares = shares or {name: 1 / len({s.domain for s in shards}) for name in sorted({s.domain for s in shards})}
    return Packer(shards, shares, num_tokens=num_tokens, context=context, seed=seed)


def batches(source, number):
    place = source.start()
    for _ in range(number):
        packed, place = source.pack(place)
        yield packed


def test_targets_are_the_tokens_that_follow_in_the_same_document():
    source = packer([shard("a", [9, 40, 23, 5])])
    for packed in batches(source, 6):
        row = 0
        for piece in packed.pieces:
            ids = source.shards[0].id_N.astype(np.int64)
            rows = slice(row, row + piece.length)
            assert packed.batch.token_T[rows].tolist() == ids[piece.start : piece.start + piece.length].tolist()
            assert packed.target_T[rows].tolist() == ids[piece.start + 1 : piece.start + piece.length + 1].tolist()
            assert packed.batch.position_T[rows].tolist() == list(range(piece.length))
            row += piece.length
        assert packed.num_tokens == row == 64
        assert packed.num_seen == sum(p.length * (p.length + 1) // 2 for p in packed.pieces)


def test_an_end_token_is_never_read_only_foretold():
    for packed in batches(packer([shard("a", [9, 40, 23, 5])]), 6):
        assert 2 not in packed.batch.token_T
        assert 2 in packed.target_T


def test_sequences_have_a_fixed_number_and_the_context_as_bound():
    source = packer([shard("a", [50, 3, 4, 70])])
    for packed in batches(source, 5):
        start = packed.batch.query_start_S1
        assert start.dtype == torch.int32
        assert len(start) == source.max_sequences + 1
        assert (start[0], start[-1]) == (0, 64)
        assert int(start.diff().max()) <= packed.batch.max_query == 16


@pytest.mark.parametrize("length", [2, 15, 16, 17, 18, 33, 100])
def test_an_epoch_reads_every_token_of_a_document_once(length):
    source = packer([shard("a", [length])])
    table = source._table(0, 3)
    read = sorted(i for _, start, n in table.tolist() for i in range(start, start + n))
    assert read == list(range(length - 1))
    assert len(table) == -(-(length - 1) // 16)
    assert table[:, 2].max() <= 16


def test_epochs_cut_and_order_the_documents_anew():
    source = packer([shard("a", [100] * 5)])
    first, second = (sorted(map(tuple, source._table(0, epoch).tolist())) for epoch in (0, 1))
    assert first != second
    assert sorted(map(tuple, packer([shard("a", [100] * 5)])._table(0, 0).tolist())) == first


def test_a_batch_depends_on_its_place_alone():
    shards = [shard("a", [30] * 9), shard("b", [12] * 20)]
    source = packer(shards)
    place = source.start()
    for _ in range(7):
        _, place = source.pack(place)
    here, _ = source.pack(place)
    there, _ = packer(shards).pack(place)
    assert here.pieces == there.pieces
    assert here.batch.token_T.tolist() == there.batch.token_T.tolist()


def test_each_domain_has_its_share_of_the_tokens():
    shards = [shard("a", [300] * 3), shard("b", [6] * 50), shard("c", [40] * 9)]
    shares = {"a": 0.2, "b": 0.3, "c": 0.5}
    source = packer(shards, shares, num_tokens=256)
    place = source.start()
    for _ in range(60):
        _, place = source.pack(place)
    drawn = np.array(place.drawn) / sum(place.drawn)
    assert np.abs(drawn - [0.2, 0.3, 0.5]).max() < 0.01


def test_shares_are_tempered_bytes_and_the_chats_take_theirs():
    shards = [shard("a", [100]), shard("b", [400]), shard("chat", [10])]
    plain = domain_shares(shards[:2], mix_power=0.5, chat="chat", chat_share=0.1)
    assert plain == pytest.approx({"a": 1 / 3, "b": 2 / 3})
    told = domain_shares(shards, mix_power=0.5, chat="chat", chat_share=0.1)
    assert told == pytest.approx({"a": 0.3, "b": 0.6, "chat": 0.1})
    assert sum(domain_shares(shards, mix_power=0.5, chat="chat", chat_share=0.0).values()) == pytest.approx(1)


def test_a_weight_multiplies_the_share_of_its_domain():
    shards = [shard("a", [100]), shard("b", [400]), shard("c", [900]), shard("chat", [10])]
    shares = domain_shares(shards, mix_power=0.5, chat="chat", chat_share=0.1, weights={"a": 3.0, "b": 0.5})
    assert shares == pytest.approx({"a": 0.9 * 3 / 7, "b": 0.9 / 7, "c": 0.9 * 3 / 7, "chat": 0.1})


@pytest.mark.parametrize("name", ["nowhere", "chat"])
def test_a_weight_of_what_is_no_domain_of_the_corpus_is_refused(name):
    shards = [shard("a", [100]), shard("b", [400]), shard("chat", [10])]
    with pytest.raises(ConfigError, match=f"domain_weights names {name}, the corpus has a, b"):
        domain_shares(shards, mix_power=0.5, chat="chat", chat_share=0.1, weights={name: 2.0})


def test_a_batch_of_too_many_short_documents_is_padded_and_the_padding_has_no_target():
    source = packer([shard("a", [4] * 200)])
    source.max_sequences = 10
    packed, _ = source.pack(source.start())
    padding = packed.target_T == IGNORED
    assert packed.num_tokens == 64 - int(padding.sum()) < 64
    assert packed.batch.query_start_S1.tolist()[-1] == 64
    assert int(packed.batch.query_start_S1.diff().max()) <= 16
    assert packed.batch.position_T[padding].max() < 16


def test_no_document_sees_another(tiny):
    model = Transformer(tiny().model).init_weights(seed=1)
    source = packer([shard("a", [20, 9, 14, 30])])
    packed, _ = source.pack(source.start())
    alone = []
    for i, piece in enumerate(packed.pieces):
        row = int(packed.batch.query_start_S1[i])
        rows = slice(row, row + piece.length)
        length = torch.tensor([0, piece.length], dtype=torch.int32)
        batch = Batch(packed.batch.token_T[rows], packed.batch.position_T[rows], length, 16)
        alone.append(model(batch).logits_RV)
    torch.testing.assert_close(model(packed.batch).logits_RV[: packed.num_tokens], torch.cat(alone))


def test_a_batch_tells_its_documents():
    source = packer([shard("a", [20] * 30)])
    packed, _ = source.pack(source.start())
    line = source.shards[0].start_D1.tolist().index(packed.pieces[0].start - packed.pieces[0].start % 20) + 1
    told = source.describe(packed)
    assert told.startswith(f"a.train.jsonl document {line}, ")
    assert told.endswith(f"and {len(packed.pieces) - 3} more pieces")
