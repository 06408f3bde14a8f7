"""Chunk: the routes of whole documents in memory, the unit in which a trace is written, read and counted."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from jaxtyping import Float32, Int64, Integer, UInt8, UInt16, UInt32


class Flag(IntFlag):
    """What is particular about a token's row."""

    BOS = 1
    SPECIAL = 2  # a control token, BOS included
    MISSING = 4  # nobody knows how the token was routed; its ids are 0 and mean nothing
    CACHED = 8  # read in an earlier request, its routing kept from there
    TIE = 16  # in some layer two experts had equal logits where the choice fell
    EDITED = 32  # routed under an edit


class Phase(IntEnum):
    """Whether a token was given or written."""

    PROMPT = 0
    GENERATED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """S whole documents of one domain, one after another: T tokens through L layers, K of E experts each.

    Token t of document s stands in rows ``start_S1[s]`` to ``start_S1[s + 1]``, in order of ``position_T``. Layers come
    first, since every statistic is taken layer by layer: ``expert_LTK`` in rank order, ``code_LT`` the same as one byte
    where E^K is at most 256 (RouteCoding). What the trace does not hold, or was not asked for, is None: token ids of a
    trace without text, weights, router logits, ``nll_T`` (the negative log-probability of the *next* token in nats, NaN
    for the last), ``prediction_T`` (the id the model held likeliest to come next).
    """

    domain: str
    document_S: UInt32[np.ndarray, "S"]
    start_S1: Int64[np.ndarray, "S+1"]
    position_T: UInt32[np.ndarray, "T"]
    phase_T: UInt8[np.ndarray, "T"]
    flag_T: UInt16[np.ndarray, "T"]
    expert_LTK: Integer[np.ndarray, "L T K"]
    code_LT: UInt8[np.ndarray, "L T"] | None
    token_T: UInt32[np.ndarray, "T"] | None = None
    weight_LTK: Float32[np.ndarray, "L T K"] | None = None
    logits_LTE: Float32[np.ndarray, "L T E"] | None = None
    nll_T: Float32[np.ndarray, "T"] | None = None
    prediction_T: UInt32[np.ndarray, "T"] | None = None

    @property
    def num_tokens(self) -> int:
        """T, the rows of all documents."""
        return len(self.flag_T)

    @property
    def place_T(self) -> Int64[np.ndarray, "T"]:
        """The place in this chunk, from 0 on, of the document that each row belongs to."""
        return np.repeat(np.arange(len(self.document_S)), np.diff(self.start_S1))
