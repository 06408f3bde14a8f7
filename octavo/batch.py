"""The flat tokens of one forward, sequence after sequence without padding: their positions and places in the cache."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the S sequences of a batch keep their keys and values.

    ``slot_T`` is the slot (page · page size + offset) that each token's key and value are written to. ``page_SP`` is
    each sequence's block table: entry p holds positions p·B to p·B + B - 1; entries that are not held, past the end or
    before a sliding window, are 0 and never read. ``context_S`` counts each sequence's positions, this batch's tokens
    included. ``max_context`` bounds it.
    """

    slot_T: Int[Tensor, "T"]
    page_SP: Int[Tensor, "S P"]
    context_S: Int[Tensor, "S"]
    max_context: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward's tokens: sequence s owns rows ``query_start_S1[s]`` to ``query_start_S1[s + 1]``.

    ``position_T`` counts from the start of the token's own sequence. ``max_query`` bounds the tokens of one sequence.
    ``logit_row_R`` names the rows whose logits are wanted; None is all. ``pages`` is None when every sequence is whole
    in this batch and nothing is cached, as in training: attention then starts anew at each sequence. An empty sequence
    is allowed, so that ``query_start_S1`` can have a fixed length.
    """

    token_T: Int[Tensor, "T"]
    position_T: Int[Tensor, "T"]
    query_start_S1: Int[Tensor, "S1"]
    max_query: int
    logit_row_R: Int[Tensor, "R"] | None = None
    pages: Pages | None = None
