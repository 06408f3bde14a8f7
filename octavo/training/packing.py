"""Documents packed side by side into batches of one fixed size; attention starts anew at each, so none reads another.

A document longer than the context is cut into pieces, at other places in each epoch. Domains take turns so that each
one's share of the tokens is what the recipe asks. Which pieces come next is a pure function of a Place, so a run
resumes exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from octavo.batch import Batch
from octavo.errors import ConfigError, CorpusError
from octavo.training.tokens import TokenShard

IGNORED = -1


@dataclass(frozen=True, slots=True)
class Place:
    """How far a run has read: for each domain, the tokens drawn, the epoch, and the next piece of it."""

    drawn: tuple[int, ...]
    epoch: tuple[int, ...]
    piece: tuple[int, ...]


class Piece(NamedTuple):
    """``length`` tokens read from ``start`` of a shard, with the one after them as the last target."""

    domain: int
    shard: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Packed:
    """One forward's worth: the batch, the token that follows each one (IGNORED in padding), and where it came from.

    ``num_tokens`` counts the tokens that are not padding; ``num_seen`` sums over them the positions that each one sees.
    """

    batch: Batch
    target_T: Tensor
    pieces: tuple[Piece, ...]
    num_tokens: int
    num_seen: int

    def to(self, device: torch.device) -> "Packed":
        """The same on another device; copies to a GPU do not wait."""
        return replace(self, batch=on_device(self.batch, device), target_T=_moved(self.target_T, device))


def on_device(batch: Batch, device: torch.device) -> Batch:
    """A batch without pages on another device; copies to a GPU do not wait."""
    token_T, position_T = _moved(batch.token_T, device), _moved(batch.position_T, device)
    return Batch(token_T, position_T, _moved(batch.query_start_S1, device), batch.max_query)


def _moved(x: Tensor, device: torch.device) -> Tensor:
    return x if device.type == "cpu" else x.pin_memory().to(device, non_blocking=True)


def domain_shares(
    shards: Sequence[TokenShard],
    *,
    mix_power: float,
    chat: str,
    chat_share: float,
    weights: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float]:
    """Each domain's share of the training tokens: its bytes to the power ``mix_power``, times its weight (1 when it
    is not among ``weights``); chats get ``chat_share``.

    Raises ConfigError for a weight of a domain that the shards do not hold, or of the chats.
    """
    size: dict[str, float] = {}
    for shard in shards:
        size[shard.domain] = size.get(shard.domain, 0) + float(shard.byte_D.sum())
    told = size.pop(chat, 0.0)
    if unknown := sorted(set(weights) - set(size)):
        raise ConfigError(
            f"domain_weights names {', '.join(unknown)}, the corpus has {', '.join(sorted(size))}: "
            "name its domains only (the share of the chats is chat_share)"
        )
    weight = {domain: bytes_**mix_power * weights.get(domain, 1.0) for domain, bytes_ in size.items()}
    rest = 1 - chat_share if told else 1.0
    share = {domain: rest * w / sum(weight.values()) for domain, w in weight.items()}
    return share | ({chat: chat_share} if told and chat_share else {})


class Packer:
    """Draws pieces from the shards and packs them, ``num_tokens`` a batch, sequences of at most ``context``."""

    def __init__(
        self, shards: Sequence[TokenShard], shares: dict[str, float], *, num_tokens: int, context: int, seed: int
    ) -> None:
        self.domains = tuple(shares)
        self.shards = [shard for shard in shards if shard.domain in shares]
        self.share_D = np.array([shares[domain] for domain in self.domains])
        self.num_tokens, self.context, self.seed = num_tokens, context, seed
        self._tables: dict[int, tuple[int, NDArray[np.int64]]] = {}
        mean_D = [self._table(domain, 0)[:, 2].mean() for domain in range(len(self.domains))]
        mean = 1 / float((self.share_D / mean_D).sum())
        # Half as many again as a batch holds on average, so that a batch of many short documents is seldom padded.
        self.max_sequences = 64 * int(np.ceil((1.5 * num_tokens / mean + num_tokens / context + 8) / 64))

    def start(self) -> Place:
        """The place before the first batch."""
        zeros = (0,) * len(self.domains)
        return Place(zeros, zeros, zeros)

    def enter(self, place: Place) -> Place:
        """The place to begin at after another packer, of other shares or context, has come to ``place``: all domains
        in a fresh order that has not been read before."""
        zeros = (0,) * len(self.domains)
        return Place(zeros, tuple(epoch + 1 for epoch in place.epoch), zeros)

    def pack(self, place: Place) -> tuple[Packed, Place]:
        """The batch at ``place``, and the place after it. A piece that overfills the batch is cut there."""
        drawn, epoch, index = (list(part) for part in (place.drawn, place.epoch, place.piece))
        pieces: list[Piece] = []
        filled = 0
        while filled < self.num_tokens and len(pieces) + self._padding(filled) < self.max_sequences:
            total = sum(drawn) + self.context
            domain = int(np.argmax(self.share_D * total - np.array(drawn)))
            table = self._table(domain, epoch[domain])
            shard, start, length = (int(x) for x in table[index[domain]])
            length = min(length, self.num_tokens - filled)
            pieces.append(Piece(domain, shard, start, length))
            filled += length
            drawn[domain] += length
            index[domain] += 1
            if index[domain] == len(table):
                index[domain], epoch[domain] = 0, epoch[domain] + 1
        return self._assemble(pieces, filled), Place(tuple(drawn), tuple(epoch), tuple(index))

    def describe(self, packed: Packed) -> str:
        """The documents of a batch, the first three by file and line, for an error message."""
        names = []
        for piece in packed.pieces[:3]:
            shard = self.shards[piece.shard]
            line = int(np.searchsorted(shard.start_D1, piece.start, side="right"))
            names.append(f"{shard.source.name} document {line}")
        return ", ".join(names) + (f" and {len(packed.pieces) - 3} more pieces" if len(packed.pieces) > 3 else "")

    def _padding(self, filled: int) -> int:
        """Sequences needed to pad the rest of a batch."""
        return -(-(self.num_tokens - filled) // self.context)

    def _assemble(self, pieces: list[Piece], filled: int) -> Packed:
        lengths = [piece.length for piece in pieces]
        span = [self.shards[p.shard].id_N[p.start : p.start + p.length + 1].astype(np.int64) for p in pieces]
        left = self.num_tokens - filled
        padding = [self.context] * (left // self.context) + [left % self.context] * bool(left % self.context)
        token_T = np.concatenate([ids[:-1] for ids in span] + [np.zeros(left, np.int64)])
        target_T = np.concatenate([ids[1:] for ids in span] + [np.full(left, IGNORED, np.int64)])
        length_S = np.array(lengths + padding)
        query_start_S1 = np.full(self.max_sequences + 1, self.num_tokens, np.int32)
        query_start_S1[0] = 0
        query_start_S1[1 : len(length_S) + 1] = length_S.cumsum()
        position_T = np.arange(self.num_tokens) - np.repeat(query_start_S1[: len(length_S)].astype(np.int64), length_S)
        token, position, start, target = map(torch.from_numpy, (token_T, position_T, query_start_S1, target_T))
        seen = sum(n * (n + 1) // 2 for n in lengths)
        return Packed(Batch(token, position, start, self.context), target, tuple(pieces), filled, seen)

    def _table(self, domain: int, epoch: int) -> NDArray[np.int64]:
        """The pieces of a domain in the order of an epoch: rows of shard, start, length."""
        held = self._tables.get(domain)
        if held is None or held[0] != epoch:
            rng = np.random.default_rng([self.seed, domain, epoch])
            rows = [
                _cut(index, shard, self.context, rng)
                for index, shard in enumerate(self.shards)
                if shard.domain == self.domains[domain]
            ]
            table = rng.permutation(np.concatenate(rows))
            if not len(table):
                raise CorpusError(f"the domain {self.domains[domain]} has no document of two tokens: leave it out")
            held = self._tables[domain] = (epoch, table)
        return held[1]


def _cut(index: int, shard: TokenShard, context: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cuts the documents of a shard into as few pieces of ``context`` tokens as can be, the first of random length."""
    # The last token of a document is a target only.
    read_D = np.diff(shard.start_D1) - 1
    num_D = -(-read_D // context)
    slack_D = num_D * context - read_D
    first_D = np.minimum(context - rng.integers(0, slack_D + 1), read_D)
    document_R = np.repeat(np.arange(len(read_D)), num_D)
    rank_R = np.arange(len(document_R)) - np.repeat(num_D.cumsum() - num_D, num_D)
    begin_R = np.where(rank_R == 0, 0, first_D[document_R] + (rank_R - 1) * context)
    end_R = np.minimum(first_D[document_R] + rank_R * context, read_D[document_R])
    return np.stack([np.full(len(begin_R), index), shard.start_D1[document_R] + begin_R, end_R - begin_R], axis=1)
