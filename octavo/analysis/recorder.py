"""Recorder: routings of whichever forward, from an engine, a score or a training step, become a trace's documents.

    Routing of each layer, or rows [T, L, K] on the host  ->  DocumentRoutes  ->  a trace's writer, or counts

Rows whose experts are -1 were chosen by the model but read by nobody: they are flagged missing, never guessed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Integer, UInt16

from octavo.analysis.chunk import Flag, Phase
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError
from octavo.routing import Routing


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """How T tokens were routed through L layers: experts in rank order, and what else is known.

    ``logprob_T`` is each token's own log-probability given those before it, NaN where there is none; ``prediction_T``
    the id that the model held likeliest to come next.
    """

    expert_TLK: Integer[np.ndarray, "T L K"]
    weight_TLK: Float[np.ndarray, "T L K"] | None = None
    logits_TLE: Float[np.ndarray, "T L E"] | None = None
    logprob_T: Float[np.ndarray, "T"] | None = None
    prediction_T: Integer[np.ndarray, "T"] | None = None


def rows_of(routings: Sequence[Routing], *, logits: bool = False) -> Rows:
    """Copies the routings of L layers over the same T tokens to the host, token by token.

    Raises TraceError where there are none: a dense model's.
    """
    if not routings:
        raise TraceError("the forward had no routings: the model has no experts; want a sparse model")
    experts = torch.stack([routing.expert_TK for routing in routings], dim=1)
    weights = torch.stack([routing.weight_TK for routing in routings], dim=1)
    scores = torch.stack([routing.logits_TE for routing in routings], dim=1) if logits else None
    return Rows(
        expert_TLK=experts.to("cpu", torch.int16).numpy(),
        weight_TLK=weights.to("cpu", torch.float32).numpy(),
        logits_TLE=None if scores is None else scores.to("cpu", torch.float32).numpy(),
    )


class Recorder:
    """Makes documents of rows and hands them to ``add``; keeps the columns that ``manifest`` promises and no others.

    ``special_ids`` are the control tokens, ``bos_id`` the one that begins a text. Each call costs the copy of its rows.
    """

    def __init__(
        self,
        manifest: TraceManifest,
        add: Callable[[DocumentRoutes], object],
        *,
        special_ids: frozenset[int] = frozenset(),
        bos_id: int | None = None,
    ) -> None:
        self.manifest = manifest
        self._add = add
        self._bos_id = bos_id
        self._special = np.array(sorted(special_ids), np.int64)

    def record(
        self,
        rows: Rows,
        token_ids: Sequence[int],
        *,
        domain: str,
        name: str,
        source: str = "",
        number: int | None = None,
        num_prompt: int | None = None,
    ) -> DocumentRoutes:
        """Hands on one document: its T token ids with their rows; the first ``num_prompt`` were given (None: all).

        Raises TraceError for rows that do not fit the ids, or that lack a column which the manifest promises.
        """
        self._check(rows, token_ids, name)
        manifest, token_T = self.manifest, np.asarray(token_ids, np.int64)
        missing_T = np.asarray((rows.expert_TLK < 0).any(axis=(1, 2)))
        expert_TLK = np.where(rows.expert_TLK < 0, 0, rows.expert_TLK) if missing_T.any() else rows.expert_TLK
        phase_T = np.full(len(token_T), Phase.PROMPT, np.uint8)
        phase_T[len(token_T) if num_prompt is None else num_prompt :] = Phase.GENERATED
        document = DocumentRoutes(
            domain=domain,
            name=name,
            source=source,
            expert_TLK=expert_TLK.astype(manifest.coding.id_dtype),
            token_T=token_T.astype(np.uint32) if manifest.has_tokens else None,
            phase_T=phase_T,
            flag_T=self._flags(token_T, missing_T, rows),
            weight_TLK=rows.weight_TLK if manifest.has_weights else None,
            logits_TLE=rows.logits_TLE if manifest.has_logits else None,
            nll_T=next_nll(rows.logprob_T) if manifest.has_nll and rows.logprob_T is not None else None,
            prediction_T=rows.prediction_T if manifest.has_predictions else None,
            document=number,
        )
        self._add(document)
        return document

    def _check(self, rows: Rows, token_ids: Sequence[int], name: str) -> None:
        manifest = self.manifest
        wanted = (len(token_ids), len(manifest.layers), manifest.num_experts_per_tok)
        if rows.expert_TLK.shape != wanted:
            raise TraceError(f"{name}: rows of shape {rows.expert_TLK.shape}, want {wanted}: one for each token")
        for promised, column, what in (
            (manifest.has_weights, rows.weight_TLK, "weights"),
            (manifest.has_logits, rows.logits_TLE, "router logits"),
            (manifest.has_nll, rows.logprob_T, "log-probabilities"),
            (manifest.has_predictions, rows.prediction_T, "predictions"),
        ):
            if promised and column is None:
                raise TraceError(f"{name}: rows without {what}, which the manifest promises: record them, or leave it")

    def _flags(
        self, token_T: Integer[np.ndarray, "T"], missing_T: Bool[np.ndarray, "T"], rows: Rows
    ) -> UInt16[np.ndarray, "T"]:
        flag_T = np.zeros(len(token_T), np.uint16)

        def mark(rows_T: Bool[np.ndarray, "T"], flag: int) -> None:
            flag_T[rows_T] |= np.uint16(flag)

        mark(missing_T, Flag.MISSING)
        mark(np.isin(token_T, self._special), Flag.SPECIAL)
        if self._bos_id is not None:
            mark(token_T == self._bos_id, Flag.BOS | Flag.SPECIAL)
        if rows.logits_TLE is not None:
            mark(ties(rows.logits_TLE, self.manifest.num_experts_per_tok) & ~missing_T, Flag.TIE)
        return flag_T


def next_nll(logprob_T: Float[np.ndarray, "T"]) -> Float32[np.ndarray, "T"]:
    """The negative log-probability of the token after each one, in nats: NaN for the last."""
    return np.append(-logprob_T[1:], np.nan).astype(np.float32)


def ties(logits_TLE: Float[np.ndarray, "T L E"], k: int) -> Bool[np.ndarray, "T"]:
    """Whether in some layer two of the K + 1 largest logits are equal, so that a rule and not the router chose."""
    best_TLE = -np.sort(-logits_TLE, axis=-1)[..., : k + 1]
    return np.asarray((best_TLE[..., 1:] == best_TLE[..., :-1]).any(axis=(1, 2)))
