"""Words: the tokens of a trace that count, side by side in memory: id, domain, document and first choices."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64, Integer

from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.information import conditional_entropy
from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """T tokens: the id of each (as one of X), its domain (of D), its document (of S), its first choice in L layers."""

    word_T: Int64[np.ndarray, "T"]
    domain_T: Int64[np.ndarray, "T"]
    document_T: Int64[np.ndarray, "T"]
    first_LT: Integer[np.ndarray, "L T"]
    num_experts: int

    @property
    def num_tokens(self) -> int:
        """T."""
        return len(self.word_T)

    def among(self, kept_T: Bool[np.ndarray, "T"]) -> "Words":
        """Some of the tokens."""
        return replace(
            self,
            word_T=self.word_T[kept_T],
            domain_T=self.domain_T[kept_T],
            document_T=self.document_T[kept_T],
            first_LT=self.first_LT[:, kept_T],
        )

    def table(self, key_T: Int64[np.ndarray, "T"], first_T: Integer[np.ndarray, "T"]) -> Int64[np.ndarray, "X E"]:
        """How often each first choice goes with each key."""
        cell_T = key_T * self.num_experts + first_T
        size = (int(key_T.max(initial=-1)) + 1) * self.num_experts
        return np.asarray(np.bincount(cell_T, minlength=size).reshape(-1, self.num_experts))

    def entropy_given(self, key_T: Int64[np.ndarray, "T"], first_T: Integer[np.ndarray, "T"]) -> float:
        """H(E | key) in bits, plug-in."""
        return conditional_entropy(self.table(key_T, first_T))

    def paired_with(self, domain_T: Int64[np.ndarray, "T"]) -> Int64[np.ndarray, "T"]:
        """A number for each pair of id and domain that occurs."""
        pair_T = self.word_T * (int(domain_T.max(initial=0)) + 1) + domain_T
        there = np.bincount(pair_T) > 0
        return np.asarray((np.cumsum(there) - 1)[pair_T])

    def order_within_ids(self, rng: np.random.Generator) -> Int64[np.ndarray, "T"]:
        """A random order of the tokens in which each stands where another of its id stood."""
        # Sixteen bits are sorted by counting, much faster than more of them.
        narrow = np.uint16 if int(self.word_T.max(initial=0)) < 1 << 16 else np.uint32
        word_T, mixed_T = self.word_T.astype(narrow), rng.permutation(self.num_tokens)
        order_T = np.empty(self.num_tokens, np.int64)
        order_T[np.argsort(word_T, kind="stable")] = mixed_T[np.argsort(word_T[mixed_T], kind="stable")]
        return order_T

    def groups(self, most: int) -> tuple[Int64[np.ndarray, "T"], int]:
        """A group for each token, by its document, and how many groups there are: each has a like part of every domain.

        With fewer documents than ``most`` there are as many groups as documents.
        """
        number_S, first_S, place_T = np.unique(self.document_T, return_index=True, return_inverse=True)
        domain_S = self.domain_T[first_S]
        # Documents of a domain stand together: their place in it is how far they are from its first.
        place_S = np.arange(len(number_S)) - np.searchsorted(domain_S, domain_S)
        groups = min(most, len(number_S))
        group_S = (place_S if groups == most else np.arange(len(number_S))) % groups if groups else place_S
        return np.asarray(group_S[place_T]), len(np.unique(group_S))


def words_of(source: TraceSource, selection: Selection, max_tokens: int | None = None) -> Words:
    """Gathers a trace: L + 24 bytes a token. With ``max_tokens`` every second, third ... document of each domain.

    Raises TraceError for a trace without token ids, and for a ``max_tokens`` below 1.
    """
    if not source.manifest.has_tokens:
        raise TraceError("a trace without token ids: what the router makes of the words cannot be had from it")
    every = _every(source, selection, max_tokens)
    parts: list[tuple[np.ndarray, ...]] = []
    num_documents: dict[str, int] = {}
    for chunk in selection.chunks(source):
        assert chunk.token_T is not None
        before = num_documents.get(chunk.domain, 0)
        num_documents[chunk.domain] = before + len(chunk.document_S)
        place_T = chunk.place_T + before
        kept_T = selection.token_T(chunk) & (place_T % every == 0)
        domain_T = np.full(int(kept_T.sum()), source.domains.index(chunk.domain))
        document_T = place_T[kept_T] + sum(each for name, each in num_documents.items() if name != chunk.domain)
        parts.append((chunk.token_T[kept_T].astype(np.int64), domain_T, document_T, chunk.expert_LTK[:, kept_T, 0]))
    id_T, domain_T, document_T, first_LT = (np.concatenate(each, axis=-1) for each in zip(*parts, strict=True))
    return Words(
        word_T=np.unique(id_T, return_inverse=True)[1],
        domain_T=domain_T,
        document_T=document_T,
        first_LT=first_LT,
        num_experts=source.manifest.num_experts,
    )


def _every(source: TraceSource, selection: Selection, max_tokens: int | None) -> int:
    if max_tokens is None:
        return 1
    if max_tokens < 1:
        raise TraceError(f"at most {max_tokens} tokens: want 1 or more")
    one_layer = replace(selection, layers=selection.layers_of(source.manifest)[:1])
    have = sum(int(selection.token_T(chunk).sum()) for chunk in one_layer.chunks(source))
    return max(1, -(-have // max_tokens))
