"""Whether arrays of routed experts can be what a router chose: layers, ids, repeats, zeros, order, weights.

A row of -1 says that nobody knows how its token was routed. Everything else that no router does is an error that names
the row: an import that is wrong in one place is wrong in others that cannot be seen.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Integer, Num

from octavo.analysis.importers.shape import RouterShape
from octavo.errors import TraceError

UNKNOWN = -1
# How far the sum of a row of weights may be from 1, or of probabilities: what bfloat16 rounds away.
SUM_TOLERANCE = 2e-2
LARGEST_ID = 1 << 31


def check_experts(expert_TLK: Num[np.ndarray, "..."], shape: RouterShape, where: str) -> Bool[np.ndarray, "T"]:
    """Returns which tokens' routes are known; raises TraceError, naming ``where`` and the row, for what cannot be."""
    _check_axes(expert_TLK, shape, where)
    unknown_TLK = expert_TLK == UNKNOWN
    unknown_T = unknown_TLK.all(axis=(1, 2))
    in_part = unknown_TLK.any(axis=(1, 2)) & ~unknown_T
    if in_part.any():
        token = int(in_part.argmax())
        raise TraceError(f"{where}: token {token} has -1 in some places only: want its experts in all layers or none")
    outside_TLK = ~unknown_TLK & ((expert_TLK < 0) | (expert_TLK >= shape.num_experts))
    if outside_TLK.any():
        token, layer, rank = (int(each[0]) for each in np.nonzero(outside_TLK))
        raise TraceError(
            f"{where}: token {token}, layer {shape.layers[layer]}: expert {expert_TLK[token, layer, rank]}: want 0 to "
            f"{shape.num_experts - 1}; check the number of experts"
        )
    known_T = ~unknown_T
    _check_zeros(expert_TLK, known_T, shape, where)
    _check_repeats(expert_TLK, known_T, shape, where)
    return np.asarray(known_T)


def _check_axes(expert_TLK: Num[np.ndarray, "..."], shape: RouterShape, where: str) -> None:
    if not np.issubdtype(expert_TLK.dtype, np.integer):
        raise TraceError(f"{where} has the type {expert_TLK.dtype}: want whole numbers, the experts' ids")
    if expert_TLK.ndim != 3:
        raise TraceError(f"{where} has the shape {list(expert_TLK.shape)}: want [tokens, MoE layers, experts a token]")
    _, layers, k = expert_TLK.shape
    if k != shape.k:
        raise TraceError(f"{where} has {k} experts a token, the model {shape.k}: check the model")
    if layers != len(shape.layers):
        whole = layers == shape.num_hidden_layers
        way = "these seem to be all hidden layers, as SGLang records them" if whole else "check the model"
        raise TraceError(f"{where} has {layers} layers, the model {len(shape.layers)} MoE layers: {way}")


def _check_zeros(
    expert_TLK: Integer[np.ndarray, "T L K"], known_T: Bool[np.ndarray, "T"], shape: RouterShape, where: str
) -> None:
    """Refuses routes that nobody wrote: a row [0, 0], or for k = 1 nothing but expert 0 in all layers."""
    zero_TL = (expert_TLK == 0).all(axis=2) & known_T[:, None]
    nothing = zero_TL.all() and len(zero_TL) > 1 and shape.num_experts > 1
    if (zero_TL.any() and shape.k > 1) or nothing:
        token, layer = (int(each[0]) for each in np.nonzero(zero_TL))
        empty = zero_TL[known_T].all(axis=0)
        what = f"layer {shape.layers[int(empty.argmax())]} is all zeros" if empty.any() else "it is all zeros"
        raise TraceError(
            f"{where}: token {token}, layer {shape.layers[layer]}: {what}, as a dense layer or a kernel that records "
            "nothing leaves it; check the layers, or record again"
        )


def _check_repeats(
    expert_TLK: Integer[np.ndarray, "T L K"], known_T: Bool[np.ndarray, "T"], shape: RouterShape, where: str
) -> None:
    sorted_TLK = np.sort(expert_TLK, axis=2)
    repeat_TL = (sorted_TLK[:, :, 1:] == sorted_TLK[:, :, :-1]).any(axis=2) & known_T[:, None]
    if repeat_TL.any():
        token, layer = (int(each[0]) for each in np.nonzero(repeat_TL))
        raise TraceError(
            f"{where}: token {token}, layer {shape.layers[layer]}: experts {expert_TLK[token, layer].tolist()}: want "
            f"{shape.k} different ones; record again"
        )


def check_ids(token_T: Num[np.ndarray, "..."], where: str, *, vocab_size: int | None = None) -> None:
    """Raises TraceError for what is no token id, or is none of a vocabulary of ``vocab_size``."""
    if token_T.ndim != 1 or not np.issubdtype(token_T.dtype, np.integer):
        raise TraceError(
            f"{where}: token ids of shape {list(token_T.shape)} and type {token_T.dtype}: want whole numbers"
        )
    if not token_T.size:
        return
    least, most = int(token_T.min()), int(token_T.max())
    if least < 0 or most >= LARGEST_ID:
        raise TraceError(f"{where}: token id {least if least < 0 else most}: want ids from 0 to {LARGEST_ID - 1:,}")
    if vocab_size is not None and most >= vocab_size:
        raise TraceError(f"{where}: token id {most}, the tokenizer has {vocab_size}: give the model's own tokenizer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Experts by falling weight, the lower id first where two weigh the same: ``tie_T`` says of which tokens."""

    expert_TLK: Integer[np.ndarray, "T L K"]
    weight_TLK: Float32[np.ndarray, "T L K"]
    tie_T: Bool[np.ndarray, "T"]
    renormalized: bool


def rank(
    expert_TLK: Integer[np.ndarray, "T L K"],
    weight_TLK: Num[np.ndarray, "..."],
    known_T: Bool[np.ndarray, "T"],
    where: str,
) -> Ranked:
    """Brings experts into rank order by their weights; raises TraceError for weights that no router gives."""
    if weight_TLK.shape != expert_TLK.shape:
        raise TraceError(
            f"{where}: weights have the shape {list(weight_TLK.shape)}, experts {list(expert_TLK.shape)}: want the same"
        )
    weight_TLK = weight_TLK.astype(np.float32)
    sum_TL = weight_TLK.sum(axis=2)
    wrong_T = (~np.isfinite(weight_TLK) | (weight_TLK < 0)).any(axis=(1, 2)) | (sum_TL == 0).any(axis=1)
    if (wrong_T & known_T).any():
        token = int((wrong_T & known_T).argmax())
        raise TraceError(f"{where}: token {token} has weights that are negative, all 0 or no numbers: record again")
    by_id = np.argsort(expert_TLK, axis=2, kind="stable")
    by_weight = np.argsort(-np.take_along_axis(weight_TLK, by_id, axis=2), axis=2, kind="stable")
    order = np.take_along_axis(by_id, by_weight, axis=2)
    weight_TLK = np.take_along_axis(weight_TLK, order, axis=2)
    return Ranked(
        expert_TLK=np.take_along_axis(expert_TLK, order, axis=2),
        weight_TLK=weight_TLK,
        tie_T=np.asarray((weight_TLK[:, :, 1:] == weight_TLK[:, :, :-1]).any(axis=(1, 2)) & known_T),
        renormalized=bool((np.abs(sum_TL[known_T] - 1) < SUM_TOLERANCE).all()),
    )


def are_probabilities(row_TE: Float32[np.ndarray, "T E"]) -> bool:
    """Whether every row of router logits is none: all numbers from 0 to 1, with the sum 1."""
    if not row_TE.size:
        return False
    bounded = bool(((row_TE >= 0) & (row_TE <= 1)).all())
    return bounded and bool((np.abs(row_TE.sum(axis=-1, dtype=np.float64) - 1) < SUM_TOLERANCE).all())
