"""A forward of training knows which rows are which text."""

import numpy as np

from octavo.training.forward import forward_of
from octavo.training.packing import Packer, domain_shares
from octavo.training.tokens import TokenShard


def packer(tmp_path) -> Packer:
    rng = np.random.default_rng(0)
    shards = []
    for domain, lengths in (("a", (5, 40, 9)), ("b", (70, 12))):
        ids = rng.integers(10, 90, sum(lengths)).astype(np.uint16)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        byte_D = np.array(lengths, np.int64)
        shards.append(
            TokenShard(domain=domain, source=tmp_path / f"{domain}.jsonl", id_N=ids, start_D1=starts, byte_D=byte_D)
        )
    shares = domain_shares(shards, mix_power=1.0, chat="chat", chat_share=0.0)
    return Packer(shards, shares, num_tokens=64, context=16, seed=0)


def test_spans_name_document_and_place_and_cover_all_rows_but_the_padding(tmp_path):
    packed_by = packer(tmp_path)
    place = packed_by.start()
    by_name = {shard.source.name: shard for shard in packed_by.shards}
    for step in range(1, 6):
        packed, place = packed_by.pack(place)
        forward = forward_of(step, packed, packed_by, ())
        assert forward.step == step
        assert [span.start for span in forward.spans] == [0, *(span.stop for span in forward.spans[:-1])]
        assert forward.spans[-1].stop == packed.num_tokens
        for span in forward.spans:
            file, _, rest = span.name.partition(":")
            line, offset = map(int, rest.split("@"))
            shard = by_name[file]
            assert shard.domain == span.domain
            first = int(shard.start_D1[line - 1]) + offset
            wanted = shard.id_N[first : first + span.stop - span.start]
            assert forward.token_T[span.start : span.stop].tolist() == wanted.tolist()
            assert first + span.stop - span.start < shard.start_D1[line]
