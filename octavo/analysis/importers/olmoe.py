"""Counts in the form in which those of OLMoE's authors are kept: no rows, only how often each expert was chosen.

    of experts   counts[domain]["assignments" | "first_choice"][layer][expert]                         with "layers"
    of tokens    counts[domain][layer][expert][token id], assignments of every rank                    without

The first gives Accumulators of ranks: the first choice, and for K = 2 what is left of the assignments as the second.
The second gives TokenCounts, and Accumulators whose ranks mean nothing but in their sum (``rank_ordered`` is None).
Neither tells which experts came together, nor in what order the tokens stood: what needs that is refused.
Source of the counts: arXiv 2409.02060, allenai/OLMoE, scripts/routing_output.
"""

import hashlib
import json
import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.accumulators.contents import EVERYWHERE
from octavo.analysis.importers.shape import RouterShape
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.token_counts import TokenCounts
from octavo.errors import TraceError

SOURCE = "olmoe"
MAX_TEXT_BYTES = 1 << 30
# What such counts hold, and that every token was counted, those that are no text among them.
BARE = {"routes": False, "pairs": False, "layer_pairs": False, "confidence": False, "lags": (), "replicates": 0}
EVERY_TOKEN = Selection(bos=True, special=True)


def read_file(path: Path, shape: RouterShape | None = None, *, vocab_size: int | None = None) -> Accumulators:
    """Reads counts of experts or of tokens, .json or .json.xz; raises TraceError, naming the file, for what disagrees.

    Counts of experts say themselves how many there are. Counts of tokens need the ``shape``; without ``vocab_size`` the
    largest id that occurs is taken for the last one.
    """
    counts = _read(path)
    of_experts = all(isinstance(each, Mapping) for each in counts["counts"].values())
    return _of_experts(path, counts, shape) if of_experts else _of_tokens(path, counts, shape, vocab_size)


def read_token_counts(path: Path, shape: RouterShape) -> dict[str, TokenCounts]:
    """Reads counts of tokens, domain by domain."""
    counts = _read(path)["counts"]
    return {domain: _token_counts(path, domain, layers, shape) for domain, layers in sorted(counts.items())}


def _read(path: Path) -> dict[str, Any]:
    try:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
            text = file.read(MAX_TEXT_BYTES + 1)
        if len(text) > MAX_TEXT_BYTES:
            raise TraceError(f"{path} holds more than {MAX_TEXT_BYTES:,} bytes: want counts, one number for each")
        read = json.loads(text)
    except (OSError, ValueError, EOFError, lzma.LZMAError, RecursionError) as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(f"{path} cannot be read ({error}): want counts in JSON, or JSON packed with xz") from None
    if not isinstance(read, dict) or not isinstance(read.get("counts"), dict) or not read["counts"]:
        raise TraceError(f"{path} has no counts by domain: want counts of experts or of tokens, as OLMoE's are kept")
    return read


def _of_experts(path: Path, read: Mapping[str, Any], shape: RouterShape | None) -> Accumulators:
    domains: dict[str, Any] = read["counts"]
    tables = {name: {kind: _table(path, name, each, kind) for kind in KINDS} for name, each in sorted(domains.items())}
    layers, num_experts = next(iter(tables.values()))[KINDS[0]].shape
    k = _experts_a_token(path, tables)
    found = RouterShape(num_experts=num_experts, k=k, layers=_layers(path, read.get("layers"), layers))
    if shape is not None and (shape.num_experts, shape.k) != (found.num_experts, found.k):
        raise TraceError(f"{path} counts {k} of {num_experts} experts, the model has {shape.k} of {shape.num_experts}")
    if k > 2:
        raise TraceError(f"{path} counts the first of {k} choices and all together: want all ranks, or 2 choices")
    counts = _empty(found, path, read, rank_ordered=True)
    for domain, table in tables.items():
        first_LE, all_LE = table["first_choice"], table["assignments"]
        room = counts.room(domain)
        room["rank"] = np.stack([first_LE, all_LE - first_LE], axis=1)[:, :k]
        room["tokens"] = np.asarray(first_LE[0].sum())
    return counts


KINDS = ("assignments", "first_choice")


def _table(path: Path, domain: str, held: Mapping[str, Any], kind: str) -> Int64[np.ndarray, "L E"]:
    try:
        table = np.asarray(held[kind])
    except (KeyError, ValueError) as error:
        raise TraceError(f"{path}, domain {domain!r}: no table {kind!r} of layers and experts ({error})") from None
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.integer) or (table < 0).any():
        raise TraceError(f"{path}, domain {domain!r}: {kind!r} is no table of counts by layer and expert")
    return table.astype(np.int64)


def _experts_a_token(path: Path, tables: Mapping[str, Mapping[str, Int64[np.ndarray, "L E"]]]) -> int:
    """K: how many assignments there are for each first choice; the same everywhere, or the counts are damaged."""
    found = set()
    for domain, table in tables.items():
        all_LE, first_LE = table["assignments"], table["first_choice"]
        tokens = set(first_LE.sum(axis=1).tolist())
        if all_LE.shape != first_LE.shape or (first_LE > all_LE).any() or len(tokens) != 1 or 0 in tokens:
            raise TraceError(
                f"{path}, domain {domain!r}: first choices and assignments disagree: want as many tokens in each "
                "layer, and no expert chosen first more often than chosen"
            )
        found |= {each / next(iter(tokens)) for each in all_LE.sum(axis=1).tolist()}
    if len(found) != 1 or not next(iter(found)).is_integer():
        raise TraceError(f"{path}: {sorted(found)} assignments a token: want one whole number everywhere")
    return int(next(iter(found)))


def _of_tokens(path: Path, read: Mapping[str, Any], shape: RouterShape | None, vocab_size: int | None) -> Accumulators:
    if shape is None:
        raise TraceError(f"{path} counts tokens by expert: say how many experts and which layers the model has")
    by_domain = {domain: _token_counts(path, domain, each, shape) for domain, each in sorted(read["counts"].items())}
    last = max(int(each.id_X.max()) for each in by_domain.values())
    if vocab_size is not None and last >= vocab_size:
        raise TraceError(f"{path} counts the token id {last}, the vocabulary has {vocab_size}: give its own tokenizer")
    counts = _empty(shape, path, read, rank_ordered=None, vocab_size=vocab_size or last + 1)
    everywhere = counts.room(EVERYWHERE)
    for domain, each in by_domain.items():
        room = counts.room(domain)
        room["rank"][:, 0] = each.count_LXE.sum(axis=1)
        room["tokens"] = np.asarray(int(each.token_X(0).sum()))
        everywhere["vocabulary"][:, each.id_X, 0] += each.count_LXE
    return counts


def _token_counts(path: Path, domain: str, held: object, shape: RouterShape) -> TokenCounts:
    if not isinstance(held, list) or len(held) != len(shape.layers):
        raise TraceError(f"{path}, domain {domain!r}: want a list with counts for each of {len(shape.layers)} layers")
    try:
        cells = [
            (layer, int(token), int(expert), count)
            for layer, experts in enumerate(held)
            for expert, tokens in experts.items()
            for token, count in tokens.items()
        ]
        layer_N, token_N, expert_N, count_N = np.array(cells, dtype=np.int64).T
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise TraceError(f"{path}, domain {domain!r}: want whole counts by layer, expert and token id") from None
    if (count_N < 0).any() or (token_N < 0).any() or (expert_N < 0).any() or (expert_N >= shape.num_experts).any():
        raise TraceError(f"{path}, domain {domain!r}: a count, an id or an expert is out of range: check the model")
    id_X, place_N = np.unique(token_N, return_inverse=True)
    count_LXE = np.zeros((len(shape.layers), len(id_X), shape.num_experts), np.int64)
    np.add.at(count_LXE, (layer_N, place_N, expert_N), count_N)
    each_LX = count_LXE.sum(axis=2)
    if (each_LX != each_LX[0]).any() or (each_LX % shape.k).any():
        raise TraceError(
            f"{path}, domain {domain!r}: want {shape.k} assignments for each occurrence of a token id in every layer"
        )
    return TokenCounts(id_X=id_X, count_LXE=count_LXE, layers=shape.layers, choice="either", k=shape.k)


def _empty(
    shape: RouterShape, path: Path, read: Mapping[str, Any], *, rank_ordered: bool | None, vocab_size: int | None = None
) -> Accumulators:
    """Room for the counts, with where they are from in the manifest."""
    manifest = TraceManifest(
        num_experts=shape.num_experts,
        num_experts_per_tok=shape.k,
        layers=shape.layers,
        rank_ordered=rank_ordered,
        vocab_size=vocab_size,
        has_tokens=vocab_size is not None,
        statistics_only=True,
        source=SOURCE,
        settings={"counts": path.name, "what": str(read.get("what", ""))},
    )
    contents = Contents(vocabulary=vocab_size is not None, **BARE)  # type: ignore[arg-type]
    return Accumulators(
        manifest=manifest,
        contents=contents,
        selection=EVERY_TOKEN,
        merged={hashlib.sha256(path.read_bytes()).hexdigest()},
    )


def _layers(path: Path, listed: object, many: int) -> tuple[int, ...]:
    if not isinstance(listed, Sequence) or not all(isinstance(each, int) for each in listed) or len(listed) != many:
        raise TraceError(f"{path}: layers are {listed!r}: want the numbers of the {many} layers that were counted")
    return tuple(listed)
