"""Loss and bits a byte of each domain, and the load of each expert, over the documents of a split.

A document is read from its begin token in windows of the context length that overlap by all but ``stride`` tokens; each
token is scored once, in the first window that holds it, so all but a document's first ``context`` tokens see at least
``context - stride`` before them. The end token is not scored: the bytes are those of the text alone.

    bits a byte = Σ -log2 p(token | those before it) / bytes of UTF-8 text
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from octavo.batch import Batch
from octavo.model import Transformer
from octavo.routing import expert_load
from octavo.training.losses import token_losses
from octavo.training.packing import IGNORED, on_device
from octavo.training.tokens import TokenShard


@dataclass(frozen=True, slots=True)
class DomainScore:
    """What the model makes of one domain: nats summed over ``tokens``, which spell ``bytes`` of text."""

    domain: str
    nats: float
    tokens: int
    bytes: int

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """Bits a byte of text."""
        return self.nats / math.log(2) / self.bytes


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of all domains, by name, and how many assignments each expert of each layer took (None when dense)."""

    domains: tuple[DomainScore, ...]
    load_LE: Int[Tensor, "L E"] | None

    @property
    def bits_per_byte(self) -> float:
        """The mean over the domains, each counting the same."""
        return sum(score.bits_per_byte for score in self.domains) / len(self.domains)

    @property
    def loss(self) -> float:
        """Nats a token, the mean over the domains."""
        return sum(score.loss for score in self.domains) / len(self.domains)


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens ``start`` to ``start + length`` of a shard are read; targets from ``scored`` on (in the window) count."""

    shard: int
    start: int
    length: int
    scored: int


def evaluate(
    model: Transformer,
    shards: Sequence[TokenShard],
    *,
    context: int,
    stride: int | None = None,
    domain_tokens: int | None = None,
    forward_tokens: int = 65536,
) -> Evaluation:
    """Scores all documents, or of each domain whole ones until ``domain_tokens``; ``stride`` None is ``context``."""
    domains = tuple(sorted({shard.domain for shard in shards}))
    windows, num_bytes = _windows(shards, context, stride or context, domain_tokens)
    device = model.norm.weight.device
    config = model.config
    nats_D = torch.zeros(len(domains), dtype=torch.float64, device=device)
    load_LE = torch.zeros(config.num_layers, config.num_experts, dtype=torch.int64, device=device)
    count = dict.fromkeys(domains, 0)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for group in _groups(windows, max(forward_tokens, context)):
            batch, target_T, domain_T = _batch(shards, group, domains, context)
            batch = on_device(batch, device)
            x_TD, routings = model.trunk(batch)
            loss_T = token_losses(x_TD, model.head_VD, target_T.to(device)).double()
            nats_D.index_add_(0, domain_T.to(device), loss_T)
            for layer, routing in enumerate(routings):
                load_LE[layer] += expert_load(routing.expert_TK, config.num_experts)
            for window in group:
                count[shards[window.shard].domain] += window.length - window.scored
    model.train(was_training)
    nats = nats_D.tolist()
    scores = tuple(DomainScore(d, nats[i], count[d], num_bytes[d]) for i, d in enumerate(domains))
    return Evaluation(scores, load_LE.cpu() if config.is_sparse else None)


def _windows(
    shards: Sequence[TokenShard], context: int, stride: int, domain_tokens: int | None
) -> tuple[list[Window], dict[str, int]]:
    """The windows of every document that is scored, and the bytes of each domain's."""
    windows: list[Window] = []
    num_bytes: dict[str, int] = {}
    taken: dict[str, int] = {}
    for index, shard in enumerate(shards):
        for document, (start, end) in enumerate(
            zip(shard.start_D1[:-1].tolist(), shard.start_D1[1:].tolist(), strict=True)
        ):
            if domain_tokens is not None and taken.get(shard.domain, 0) >= domain_tokens:
                break
            num_scored = end - start - 2
            taken[shard.domain] = taken.get(shard.domain, 0) + num_scored
            num_bytes[shard.domain] = num_bytes.get(shard.domain, 0) + int(shard.byte_D[document])
            done = 0
            for begin in range(0, num_scored, stride):
                length = min(context, num_scored - begin)
                windows.append(Window(index, start + begin, length, done - begin))
                done = begin + length
                if done == num_scored:
                    break
    return windows, num_bytes


def _groups(windows: Sequence[Window], num_tokens: int) -> Iterator[list[Window]]:
    """Windows that fit into one forward, in order."""
    group: list[Window] = []
    filled = 0
    for window in windows:
        if group and filled + window.length > num_tokens:
            yield group
            group, filled = [], 0
        group.append(window)
        filled += window.length
    if group:
        yield group


def _batch(
    shards: Sequence[TokenShard], group: Sequence[Window], domains: tuple[str, ...], context: int
) -> tuple[Batch, Tensor, Tensor]:
    """The batch of some windows, what follows each token where that is scored, and each token's domain's number."""
    ids = [shards[w.shard].id_N[w.start : w.start + w.length + 1].astype(np.int64) for w in group]
    length_S = np.array([w.length for w in group])
    query_start_S1 = np.concatenate([[0], length_S.cumsum()])
    position_T = np.arange(query_start_S1[-1]) - np.repeat(query_start_S1[:-1], length_S)
    scored_T = position_T >= np.repeat([w.scored for w in group], length_S)
    target_T = np.where(scored_T, np.concatenate([x[1:] for x in ids]), IGNORED)
    domain_T = np.repeat([domains.index(shards[w.shard].domain) for w in group], length_S)
    token_T = torch.from_numpy(np.concatenate([x[:-1] for x in ids]))
    start_S1 = torch.from_numpy(query_start_S1.astype(np.int32))
    batch = Batch(token_T, torch.from_numpy(position_T), start_S1, context)
    return batch, torch.from_numpy(target_T), torch.from_numpy(domain_T)
