"""A trace as one Arrow table, for pandas, polars and whatever else reads Arrow."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.analysis.chunk import Chunk, Flag
from octavo.analysis.store.extras import arrow
from octavo.errors import TraceError


def checked_ranks(ranks: Sequence[int] | None, k: int) -> tuple[int, ...]:
    """The ranks that were asked for, or all; raises TraceError for one that there is not."""
    chosen = tuple(range(k)) if ranks is None else tuple(ranks)
    if not chosen or set(chosen) - set(range(k)):
        raise TraceError(f"the ranks {list(chosen)} were asked for: want some of {list(range(k))}, 0 the first choice")
    return chosen


def wide_table(chunk: Chunk, layers: Sequence[int], ranks: Sequence[int]) -> Any:
    """One row a token: ``expert_{layer}_{rank}``, and ``weight_{layer}_{rank}`` where the chunk has weights."""
    columns = _about(chunk, 1)
    missing_T = _missing(chunk)
    for place, layer in enumerate(layers):
        for rank in ranks:
            columns[f"expert_{layer}_{rank}"] = _experts(chunk.expert_LTK[place, :, rank], missing_T)
    if chunk.weight_LTK is not None:
        for place, layer in enumerate(layers):
            for rank in ranks:
                columns[f"weight_{layer}_{rank}"] = _reals(chunk.weight_LTK[place, :, rank])
    if chunk.nll_T is not None:
        columns["nll"] = _reals(chunk.nll_T)
    if chunk.prediction_T is not None:
        columns["pred_id"] = arrow().array(chunk.prediction_T)
    return arrow().table(columns)


def long_table(chunk: Chunk, layers: Sequence[int], ranks: Sequence[int]) -> Any:
    """One row for each token, layer and rank, in this order: ``layer``, ``rank``, ``expert``, ``weight``."""
    pa = arrow()
    columns = _about(chunk, len(layers) * len(ranks))
    pairs = np.array([(layer, rank) for layer in layers for rank in ranks])
    columns["layer"] = pa.array(np.tile(pairs[:, 0].astype(np.uint16), chunk.num_tokens))
    columns["rank"] = pa.array(np.tile(pairs[:, 1].astype(np.uint8), chunk.num_tokens))
    expert_N = chunk.expert_LTK[:, :, list(ranks)].swapaxes(0, 1).ravel()
    columns["expert"] = _experts(expert_N, np.repeat(_missing(chunk), len(pairs)))
    if chunk.weight_LTK is not None:
        columns["weight"] = _reals(chunk.weight_LTK[:, :, list(ranks)].swapaxes(0, 1).ravel())
    return pa.table(columns)


def _about(chunk: Chunk, times: int) -> dict[str, Any]:
    """What each row says of its token, ``times`` over."""
    pa = arrow()
    count_S = np.diff(chunk.start_S1)
    domain = pa.DictionaryArray.from_arrays(np.zeros(chunk.num_tokens * times, np.int32), [chunk.domain])
    columns = {
        "doc_id": pa.array(np.repeat(chunk.document_S, count_S * times)),
        "domain": domain,
        "pos": pa.array(np.repeat(chunk.position_T, times)),
    }
    if chunk.token_T is not None:
        columns["token_id"] = pa.array(np.repeat(chunk.token_T, times))
    columns["phase"] = pa.array(np.repeat(chunk.phase_T, times))
    columns["flags"] = pa.array(np.repeat(chunk.flag_T, times))
    return columns


def _missing(chunk: Chunk) -> Any:
    return (chunk.flag_T & Flag.MISSING) != 0


def _experts(expert_N: Any, missing_N: Any) -> Any:
    return arrow().array(np.ascontiguousarray(expert_N).astype(np.uint16), mask=missing_N)


def _reals(value_N: Any) -> Any:
    value_N = np.ascontiguousarray(value_N)
    return arrow().array(value_N, mask=np.isnan(value_N))
