"""A document's arrays turned into the columns of a part, with every check that a row must pass."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Integer

from octavo.analysis.chunk import Flag
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store.columns import UNKNOWN_STEP, logits_dtype, schema_of, weight_dtype
from octavo.analysis.store.document import DocumentRoutes
from octavo.analysis.store.extras import arrow
from octavo.errors import TraceError

# A first weight a little under a half comes of rounding in the model; more than that is no first weight.
SLACK = 0.01

OPTIONAL = {
    "token_T": "has_tokens",
    "weight_TLK": "has_weights",
    "logits_TLE": "has_logits",
    "nll_T": "has_nll",
    "prediction_T": "has_predictions",
}


def table_of(document: DocumentRoutes, number: int, manifest: TraceManifest) -> Any:
    """A document as rows of a part. Raises TraceError where it does not hold what the manifest promises, where a token
    has an expert twice or one that does not exist, and where a weight or logit does not fit its column."""
    check_shape(document, manifest)
    pa = arrow()
    num_tokens = document.num_tokens
    flag_T = np.zeros(num_tokens, np.uint16) if document.flag_T is None else document.flag_T
    known_T = (flag_T & Flag.MISSING) == 0
    position_T = np.arange(num_tokens) if document.position_T is None else document.position_T
    phase_T = np.zeros(num_tokens, np.uint8) if document.phase_T is None else document.phase_T
    columns: dict[str, Any] = {
        "doc_id": pa.array(np.full(num_tokens, number, np.uint32)),
        "pos": pa.array(position_T.astype(np.uint32)),
        "phase": pa.array(phase_T.astype(np.uint8)),
        "flags": pa.array(flag_T.astype(np.uint16)),
    }
    if document.token_T is not None:
        columns["token_id"] = pa.array(document.token_T.astype(np.uint32))
    if document.nll_T is not None:
        nll_T = document.nll_T.astype(np.float32)
        columns["nll"] = pa.array(nll_T, mask=np.isnan(nll_T))
    if document.prediction_T is not None:
        columns["pred_id"] = pa.array(document.prediction_T.astype(np.uint32))
    for kind, by_layer in (
        ("r", _routes(document, manifest, known_T)),
        ("w", _weights(document, manifest, known_T)),
        ("z", _logits(document, manifest, known_T)),
    ):
        columns |= {f"{kind}{layer}": column for layer, column in zip(manifest.layers, by_layer, strict=False)}
    schema = schema_of(manifest)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def check_shape(document: DocumentRoutes, manifest: TraceManifest) -> None:
    """Raises TraceError where a document's layers, ranks or columns are not those of the manifest."""
    wanted = (len(manifest.layers), manifest.num_experts_per_tok)
    if document.expert_TLK.shape[1:] != wanted:
        raise TraceError(
            f"{document.named} has {document.expert_TLK.shape[1]} layers of {document.expert_TLK.shape[2]} ranks, "
            f"the manifest has {wanted[0]} of {wanted[1]}: give one row of experts a MoE layer"
        )
    for field, promise in OPTIONAL.items():
        has, promised = getattr(document, field) is not None, getattr(manifest, promise)
        # Logits are large: a trace may have them for some of its documents.
        if has != promised and not (field == "logits_TLE" and promised):
            raise TraceError(
                f"{document.named} has {'' if has else 'no '}{field}, its manifest says {promise}={promised}: "
                "make them agree"
            )
    if document.logits_TLE is not None and document.logits_TLE.shape[-1] != manifest.num_experts:
        raise TraceError(
            f"{document.named} has logits for {document.logits_TLE.shape[-1]} experts, want {manifest.num_experts}"
        )


def _routes(document: DocumentRoutes, manifest: TraceManifest, known_T: Any) -> list[Any]:
    coding, pa = manifest.coding, arrow()
    expert_LTK = document.expert_TLK.swapaxes(0, 1)
    if not known_T.all():
        expert_LTK = np.where(known_T[:, None], expert_LTK, np.arange(coding.k))
    if place := first_wrong(expert_LTK, coding.num_experts):
        layer, token = place
        raise TraceError(
            f"{document.named}: token {token} has the experts {expert_LTK[layer, token].tolist()} in layer "
            f"{manifest.layers[layer]}, want {coding.k} different ones of 0 to {coding.num_experts - 1}"
        )
    if coding.fits_a_byte:
        mask = None if known_T.all() else ~known_T
        return [pa.array(code_T, mask=mask) for code_T in coding.encode(expert_LTK)]
    ids_LTK = expert_LTK.astype(coding.id_dtype.newbyteorder("<"))
    return [_binary(ids_TK, known_T) for ids_TK in ids_LTK]


def first_wrong(expert_LTK: Integer[np.ndarray, "L T K"], num_experts: int) -> tuple[int, int] | None:
    """The first layer and row where an expert stands twice or does not exist; None where all is well."""
    by_rank = [expert_LTK[:, :, rank] for rank in range(expert_LTK.shape[-1])]
    wrong_LT: Bool[np.ndarray, "L T"] = np.zeros(expert_LTK.shape[:2], bool)
    for rank, expert_LT in enumerate(by_rank):
        if expert_LT.dtype.kind == "i":
            wrong_LT |= expert_LT < 0
        wrong_LT |= expert_LT >= num_experts
        for other_LT in by_rank[:rank]:
            wrong_LT |= expert_LT == other_LT
    if not wrong_LT.any():
        return None
    layer, row = np.unravel_index(int(wrong_LT.argmax()), wrong_LT.shape)
    return int(layer), int(row)


def _weights(document: DocumentRoutes, manifest: TraceManifest, known_T: Any) -> list[Any]:
    if document.weight_TLK is None:
        return []
    weight_LTK = document.weight_TLK.swapaxes(0, 1).astype(np.float32)
    if (step := manifest.weight_step) is None:
        return [_binary(weight_TK.astype(weight_dtype(manifest)), known_T) for weight_TK in weight_LTK]
    first_LT, second_LT = weight_LTK[..., 0], weight_LTK[..., 1]
    fits_LT = (np.abs(first_LT + second_LT - 1) <= SLACK) & (first_LT >= 0.5 - SLACK) & (second_LT >= -SLACK)
    if not (fits_LT | ~known_T).all():
        layer, token = np.unravel_index(int((fits_LT | ~known_T).argmin()), fits_LT.shape)
        raise TraceError(
            f"{document.named}: token {token} has the weights {weight_LTK[layer, token].tolist()} in layer "
            f"{manifest.layers[layer]}, want the larger first and a sum of 1; or set exact_weights in the manifest"
        )
    steps_LT = np.rint((np.where(known_T, first_LT, 0.5) - 0.5) / step).clip(0, round(0.5 / step)).astype(np.uint8)
    mask = None if known_T.all() else ~known_T
    return [arrow().array(steps_T, mask=mask) for steps_T in steps_LT]


def _logits(document: DocumentRoutes, manifest: TraceManifest, known_T: Any) -> list[Any]:
    if document.logits_TLE is None:
        nothing = np.zeros((document.num_tokens, manifest.num_experts), logits_dtype(manifest))
        return [_binary(nothing, np.zeros_like(known_T)) for _ in manifest.layers] if manifest.has_logits else []
    logits_LTE = document.logits_TLE.swapaxes(0, 1).astype(np.float32)
    step = manifest.logits_step
    largest = 127 * step if step is not None else float(np.finfo(np.float16).max)
    if (np.abs(logits_LTE[:, known_T]) > largest).any():
        layer = int((np.abs(logits_LTE) > largest).any(axis=(1, 2)).argmax())
        raise TraceError(
            f"{document.named}: a router logit of layer {manifest.layers[layer]} is "
            f"{float(np.nanmax(np.abs(logits_LTE[layer]))):g}, the column holds {largest:g} at most: choose a larger "
            "logits_step, or none for float16"
        )
    if step is None:
        return [_binary(logits_TE.astype("<f2"), known_T) for logits_TE in logits_LTE]
    steps_LTE = np.where(np.isnan(logits_LTE), UNKNOWN_STEP, np.rint(logits_LTE / step)).astype(np.int8)
    return [_binary(steps_TE, known_T) for steps_TE in steps_LTE]


def _binary(value_TX: Any, known_T: Any) -> Any:
    """Each row's bytes as one value; null where nothing is known."""
    pa = arrow()
    value_TX = np.ascontiguousarray(value_TX)
    valid = None if known_T.all() else pa.py_buffer(np.packbits(known_T, bitorder="little"))
    width = value_TX.shape[1] * value_TX.dtype.itemsize
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(value_TX), [valid, pa.py_buffer(value_TX)])
