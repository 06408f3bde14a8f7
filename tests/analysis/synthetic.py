"""Traces made by hand and by chance, in memory and on disk, for every test of the analysis.

documents = [document(routes=[(0, 1), (2, 3)]), ...]         by hand: experts of each token, one layer or more
trace = MemoryTrace(documents)                               reads like RouteTrace, without a disk
uniform(...), constant(...), period_two(...), by_token(...)  the known answers: documents whose statistics are known
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from octavo.analysis.chunk import Chunk, Flag
from octavo.analysis.codes import RouteCoding
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import Document, DocumentRoutes
from octavo.errors import TraceError


def manifest_of(documents: Sequence[DocumentRoutes], *, num_experts: int = 8, **fields: Any) -> TraceManifest:
    """The manifest that fits the documents: layers 0, 1, ... and the columns that the first document has."""
    first = documents[0]
    _, num_layers, k = first.expert_TLK.shape
    known = {
        "num_experts": num_experts,
        "num_experts_per_tok": k,
        "layers": tuple(range(num_layers)),
        "has_tokens": first.token_T is not None,
        "has_weights": first.weight_TLK is not None,
        "has_logits": first.logits_TLE is not None,
        "has_nll": first.nll_T is not None,
        "has_predictions": first.prediction_T is not None,
    }
    return TraceManifest(**(known | fields))


def document(
    routes: Sequence[Any],
    *,
    domain: str = "x",
    name: str = "a",
    tokens: Sequence[int] | None = None,
    flags: Sequence[int] | None = None,
    **fields: Any,
) -> DocumentRoutes:
    """A document by hand. ``routes`` gives for each token its experts in rank order: ``(3, 5)``, or one such tuple for
    each layer. Token ids count from 0 where none are given."""
    expert = np.array(routes, np.uint8)
    expert_TLK = expert[:, None, :] if expert.ndim == 2 else expert
    return DocumentRoutes(
        domain=domain,
        name=name,
        expert_TLK=expert_TLK,
        token_T=np.arange(len(expert), dtype=np.uint32) if tokens is None else np.array(tokens, np.uint32),
        flag_T=None if flags is None else np.array(flags, np.uint16),
        **fields,
    )


def random_choice(generator: np.random.Generator, shape: tuple[int, ...], num_experts: int, k: int) -> np.ndarray:
    """K different experts out of E in random order, uniformly, for each place of ``shape``."""
    return np.asarray(generator.random((*shape, num_experts)).argsort(axis=-1)[..., :k].astype(np.uint8))


def uniform(
    num_tokens: int,
    *,
    num_layers: int = 1,
    num_experts: int = 8,
    k: int = 2,
    seed: int = 0,
    vocabulary: int = 100,
    first_token_is_bos: bool = False,
    **fields: Any,
) -> DocumentRoutes:
    """A document routed by chance alone: every ordered choice equally likely, token by token and layer by layer."""
    generator = np.random.default_rng(seed)
    token_T = generator.integers(vocabulary, size=num_tokens).astype(np.uint32)
    flag_T = np.zeros(num_tokens, np.uint16)
    if first_token_is_bos:
        flag_T[0] = Flag.BOS | Flag.SPECIAL
    routed = random_choice(generator, (num_tokens, num_layers), num_experts, k)
    return document(routed, tokens=token_T.tolist(), flags=flag_T.tolist(), **fields)


def constant(num_tokens: int, route: Sequence[int] = (3, 5), **fields: Any) -> DocumentRoutes:
    """A document whose every token goes the same way: repeats in every pair."""
    return document([tuple(route)] * num_tokens, **fields)


def period_two(num_tokens: int, routes: Sequence[Sequence[int]] = ((0, 1), (2, 3)), **fields: Any) -> DocumentRoutes:
    """A document that takes two disjoint ways in turn: repeats never at lag 1, always at lag 2."""
    return document([tuple(routes[place % 2]) for place in range(num_tokens)], **fields)


def by_token(tokens: Sequence[int], *, num_experts: int = 8, k: int = 2, **fields: Any) -> DocumentRoutes:
    """A document whose experts depend on the token's id alone: id mod E, and those that follow."""
    routes = [tuple((token + rank) % num_experts for rank in range(k)) for token in tokens]
    return document(routes, tokens=tokens, **fields)


def chunk_of(
    documents: Sequence[DocumentRoutes],
    manifest: TraceManifest | None = None,
    *,
    numbers: Sequence[int] | None = None,
    layers: Sequence[int] | None = None,
) -> Chunk:
    """Documents of one domain as one chunk with everything they have."""
    manifest = manifest or manifest_of(documents)
    coding, places = manifest.coding, [manifest.layers.index(layer) for layer in layers or manifest.layers]
    start_S1 = np.cumsum([0, *(each.num_tokens for each in documents)])
    expert_LTK = np.concatenate([each.expert_TLK for each in documents]).swapaxes(0, 1)[places].astype(coding.id_dtype)

    def joined(name: str, dtype: Any) -> Any:
        arrays = [getattr(each, name) for each in documents]
        return None if arrays[0] is None else np.concatenate(arrays).astype(dtype)

    def by_layer(name: str) -> Any:
        array = joined(name, np.float32)
        return None if array is None else array.swapaxes(0, 1)[places]

    sizes = [end - start for start, end in pairwise(start_S1.tolist())]
    return Chunk(
        domain=documents[0].domain,
        document_S=np.array(numbers if numbers is not None else range(len(documents)), np.uint32),
        start_S1=start_S1,
        position_T=np.concatenate([np.arange(size, dtype=np.uint32) for size in sizes]),
        phase_T=_or_zeros(documents, "phase_T", np.uint8),
        flag_T=_or_zeros(documents, "flag_T", np.uint16),
        expert_LTK=np.ascontiguousarray(expert_LTK),
        code_LT=coding.encode(expert_LTK) if coding.fits_a_byte else None,
        token_T=joined("token_T", np.uint32),
        weight_LTK=by_layer("weight_TLK"),
        logits_LTE=by_layer("logits_TLE"),
        nll_T=joined("nll_T", np.float32),
        prediction_T=joined("prediction_T", np.uint32),
    )


def _or_zeros(documents: Sequence[DocumentRoutes], name: str, dtype: Any) -> Any:
    arrays = [getattr(each, name) for each in documents]
    zeros = [np.zeros(each.num_tokens) for each in documents]
    return np.concatenate([zero if array is None else array for array, zero in zip(arrays, zeros, strict=True)]).astype(
        dtype
    )


@dataclass(frozen=True, slots=True)
class MemoryTrace:
    """Documents that are read as RouteTrace reads a trace, without a disk."""

    given: Sequence[DocumentRoutes]
    stated: TraceManifest | None = None
    tokens: dict[int, bytes] = field(default_factory=dict)
    special_ids: frozenset[int] = frozenset()

    @property
    def manifest(self) -> TraceManifest:
        return self.stated or manifest_of(self.given)

    @property
    def coding(self) -> RouteCoding:
        return self.manifest.coding

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(sorted({each.domain for each in self.given}))

    @property
    def num_tokens(self) -> int:
        return sum(each.num_tokens for each in self.given)

    def documents(self) -> list[Document]:
        return [
            Document(
                document=number if each.document is None else each.document,
                domain=each.domain,
                name=each.name,
                source=each.source,
                num_tokens=each.num_tokens,
            )
            for number, each in enumerate(self.given)
        ]

    def vocabulary(self) -> dict[int, bytes]:
        return self.tokens

    def token_bytes(self, token: int) -> bytes:
        return self.tokens[token]

    def chunks(
        self,
        *,
        domains: Collection[str] | None = None,
        layers: Collection[int] | None = None,
        weights: bool = False,
        logits: bool = False,
        nll: bool = False,
        predictions: bool = False,
        max_tokens: int = 131_072,
    ) -> Iterator[Chunk]:
        asked = {"weights": weights, "logits": logits, "nll": nll, "predictions": predictions}
        if lacking := [name for name, wanted in asked.items() if wanted and not getattr(self.manifest, f"has_{name}")]:
            raise TraceError(f"a trace in memory has no {lacking[0]}")
        chosen = sorted(layers) if layers is not None else self.manifest.layers
        for domain in self.domains:
            if domains is not None and domain not in domains:
                continue
            batch: list[tuple[int, DocumentRoutes]] = []
            for about, each in zip(self.documents(), self.given, strict=True):
                if each.domain != domain:
                    continue
                if batch and sum(held.num_tokens for _, held in batch) + each.num_tokens > max_tokens:
                    yield self._chunk(batch, chosen, asked)
                    batch = []
                batch.append((about.document, each))
            yield self._chunk(batch, chosen, asked)

    def _chunk(
        self, batch: Sequence[tuple[int, DocumentRoutes]], layers: Sequence[int], asked: dict[str, bool]
    ) -> Chunk:
        numbers, documents = zip(*batch, strict=True)
        whole = chunk_of(documents, self.manifest, numbers=numbers, layers=layers)
        names = {"weights": "weight_LTK", "logits": "logits_LTE", "nll": "nll_T", "predictions": "prediction_T"}
        kept = {name: getattr(whole, name) for name in Chunk.__dataclass_fields__}
        return Chunk(**(kept | {field: None for name, field in names.items() if not asked[name]}))
