"""Confidence: how sure a router is of its choice, from its logits, or as far as the weights tell.

    entropy            H = −Σ_e p_e ln p_e in nats (ln E when all experts are alike, 0 when one has everything)
    effective experts  exp(H), from 1 to E
    margin             p_(1) − p_(2), the two greatest probabilities
    first weight       the weight w_1 with which the first choice is mixed in

p is the softmax of the E logits (of a sigmoid router, its scores over their sum). A trace without logits holds the
weights of the K chosen experts alone: then p is these weights over their sum, H is at most ln K, and the rows say so.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.accumulators.contents import UNITS
from octavo.analysis.chunk import Chunk
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.counted import bare, counted
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.ratios import Ratios, by_document, group_of
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

MEASURES = ("entropy", "effective-experts", "margin", "first-weight")


def confidence(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    basis: str | None = None,
    by: str = "domain",
) -> list[Row]:
    """The mean over tokens of each measure, by domain and layer; ``basis`` of a row is "logits" or "weights".

    Without ``basis`` the logits are taken where the trace has them. The uniform null is that of equal logits: entropy
    ln E, E effective experts, no margin, and 1/K for the first weight (1/E where weights are not renormalised). Raises
    TraceError where the trace has neither, or not what ``basis`` asks for. Counts in place of rows have no intervals
    and no effective experts.
    """
    if isinstance(source, Accumulators):
        return _accumulated(source, selection or source.selection, basis, by)
    selection = selection or Selection()
    basis = _basis(source.manifest, basis)
    layers, found = selection.layers_of(source.manifest), Ratios()
    for chunk in selection.chunks(source, weights=source.manifest.has_weights, logits=basis == "logits"):
        keep_T = selection.token_T(chunk)
        measure_TX = np.concatenate(
            [measures_TM(chunk, place, manifest=source.manifest, basis=basis) for place in range(len(layers))], axis=1
        )
        above_SX = by_document(np.where(keep_T[:, None], measure_TX, 0.0), chunk.start_S1)
        kept_S1 = by_document(keep_T[:, None], chunk.start_S1)
        found.add(group_of(chunk.domain, by), above_SX, np.repeat(kept_S1, above_SX.shape[1], axis=1))
    keys: list[dict[str, Any]] = [
        {"layer": layer, "measure": measure, "basis": basis} for layer in layers for measure in MEASURES
    ]
    uniform = list(_equal_logits(source.manifest, basis)) * len(layers)
    rows = []
    for domain in found.sums.parts:
        rows += found.rows(domain, keys, intervals=intervals, nulls={"null_uniform": uniform})
    return rows


def measures_TM(chunk: Chunk, place: int, *, manifest: TraceManifest, basis: str) -> Float64[np.ndarray, "T M"]:
    """Each token's measures, in the order of MEASURES, in the layer at ``place`` of a chunk."""
    if basis == "logits":
        assert chunk.logits_LTE is not None
        probability_TE = probabilities_TE(chunk.logits_LTE[place].astype(np.float64), manifest.score_function)
    else:
        assert chunk.weight_LTK is not None
        weight_TK = chunk.weight_LTK[place].astype(np.float64)
        probability_TE = weight_TK / np.maximum(weight_TK.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms_TE = np.where(probability_TE > 0, probability_TE * np.log(probability_TE), 0.0)
    entropy_T = -terms_TE.sum(axis=1)
    greatest_TE = np.sort(probability_TE, axis=1)[:, ::-1]
    second_T = greatest_TE[:, 1] if greatest_TE.shape[1] > 1 else np.zeros(len(greatest_TE))
    if chunk.weight_LTK is not None:
        weight_TK = chunk.weight_LTK[place].astype(np.float64)
        first_T = weight_TK[:, 0] if manifest.rank_ordered else weight_TK.max(axis=1)
    else:
        kept_T = greatest_TE[:, : manifest.num_experts_per_tok].sum(axis=1) if manifest.renormalized else 1.0
        first_T = greatest_TE[:, 0] / kept_T
    return np.stack([entropy_T, np.exp(entropy_T), greatest_TE[:, 0] - second_T, first_T], axis=1)


def probabilities_TE(logits_TE: Float64[np.ndarray, "T E"], score_function: str) -> Float64[np.ndarray, "T E"]:
    """A router's scores as a distribution; raises TraceError for a score function other than softmax and sigmoid."""
    if score_function == "softmax":
        score_TE = np.exp(logits_TE - logits_TE.max(axis=1, keepdims=True))
    elif score_function == "sigmoid":
        score_TE = 1 / (1 + np.exp(-logits_TE))
    else:
        raise TraceError(f"the score function {score_function!r} of this trace is unknown: want softmax or sigmoid")
    return np.asarray(score_TE / score_TE.sum(axis=1, keepdims=True))


def _accumulated(source: Accumulators, selection: Selection, basis: str | None, by: str) -> list[Row]:
    """The means that counts keep: of the margin and the entropy where there were logits, of w_1 where weights."""
    found = counted(source, selection=selection, intervals=None, contents=bare(), by_document={})
    basis = _basis(source.manifest, basis)
    num_experts, rows = source.manifest.num_experts, []
    kept = {"first-weight": (0, 1.0)} if source.manifest.has_weights else {}
    if basis == "logits":
        kept = {"entropy": (2, float(np.log(max(2, num_experts)))), "margin": (1, 1.0), **kept}
    even = dict(zip(MEASURES, _equal_logits(source.manifest, basis), strict=True))
    for group in found.groups(by):
        tokens = int(source.table("tokens", group.domains))
        sums_L3 = source.table("confidence", group.domains)
        for place, layer in found.places():
            for measure, (column, unit) in kept.items():
                value = int(sums_L3[place, column]) / UNITS * unit / max(tokens, 1)
                keys: dict[str, Any] = {"domain": group.name, "layer": layer, "measure": measure, "basis": basis}
                rows.append(row(**keys, value=value, n=tokens, null_uniform=even[measure]))
    return rows


def _basis(manifest: TraceManifest, wanted: str | None) -> str:
    have = [name for name, there in (("logits", manifest.has_logits), ("weights", manifest.has_weights)) if there]
    if wanted not in (None, "logits", "weights"):
        raise TraceError(f"no basis {wanted!r}: want 'logits' or 'weights'")
    if not have:
        raise TraceError("a trace without weights and logits says nothing of confidence: record it with --weights")
    if wanted is not None and wanted not in have:
        raise TraceError(f"a trace without {wanted}: take --basis {have[0]}, or record it with --{wanted}")
    return wanted or have[0]


def _equal_logits(manifest: TraceManifest, basis: str) -> tuple[float, ...]:
    alike = manifest.num_experts if basis == "logits" else manifest.num_experts_per_tok
    weight = 1 / (manifest.num_experts_per_tok if manifest.renormalized else manifest.num_experts)
    return float(np.log(alike)), float(alike), 0.0, weight
