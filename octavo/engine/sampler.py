"""The sampler: from logits to the next token of each sequence.

In vLLM's order: logprobs are read off the raw logits; then min_tokens, logit_bias and the penalties change them, and
what a constraint does not allow is dropped; then the greedy take the largest, and the others divide by the temperature,
drop what min_p, top_k and top_p drop, and draw from what is left.

A draw is one number in [0, 1) that depends on the sequence's seed and on how many tokens it has chosen, and on nothing
else: so the same request draws the same in any batch, and after a preemption.
"""

import hashlib
import logging
from collections.abc import Sequence as List
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from octavo.engine.penalties import Seen, edit
from octavo.engine.request import Sequence, TokenLogprobs

LOG = logging.getLogger("octavo.engine")


@dataclass(frozen=True, slots=True)
class Choice:
    """The token chosen for one sequence, and its logprobs when wanted.

    None where there is none: because its constraint says that it has ``ended``, or in error.
    """

    token_id: int | None
    logprobs: TokenLogprobs | None = None
    ended: bool = False


class Sampler:
    """Chooses tokens; for penalised sequences it remembers what they hold so far, until ``forget``."""

    def __init__(self) -> None:
        self._seen: dict[Sequence, Seen] = {}

    def choose(self, logits_SV: Float[Tensor, "S V"], sequences: List[Sequence]) -> list[Choice]:
        """Chooses the next token of each of S sequences from its row."""
        # Before anything that waits: on a GPU the forward still runs.
        allowed, stuck = ask_constraints(sequences)
        raw_SV = logits_SV.float()
        # One pass that is finite only when every logit of the row is.
        finite = raw_SV.sum(dim=-1).isfinite().tolist()
        params = [sequence.request.params for sequence in sequences]
        token_S = self._tokens(raw_SV, sequences, allowed)
        tokens = token_S.tolist()
        logprobs: dict[int, TokenLogprobs] = {}
        wanted = [row for row, p in enumerate(params) if p.logprobs is not None and finite[row]]
        if wanted:
            counts = [params[row].logprobs or 0 for row in wanted]
            rows_SV = raw_SV if len(wanted) == len(sequences) else raw_SV[wanted]
            found = read_logprobs(rows_SV, [tokens[row] for row in wanted], counts)
            logprobs = dict(zip(wanted, found, strict=True))
        return [
            Choice(token, logprobs.get(row)) if fine and row not in stuck else Choice(None, ended=stuck.get(row, False))
            for row, (token, fine) in enumerate(zip(tokens, finite, strict=True))
        ]

    def forget(self, sequence: Sequence) -> None:
        """Drops what is remembered about a sequence that is finished."""
        self._seen.pop(sequence, None)

    def _tokens(
        self, raw_SV: Float[Tensor, "S V"], sequences: List[Sequence], allowed: dict[int, np.ndarray]
    ) -> Tensor:
        edited = [row for row, sequence in enumerate(sequences) if sequence.request.params.edited]
        if edited or allowed:
            raw_SV = raw_SV.clone()
            for row in edited:
                edit(raw_SV[row], sequences[row], self._remember(sequences[row], raw_SV))
        if allowed:
            rows = list(allowed)
            allowed_CV = torch.from_numpy(np.stack(list(allowed.values()))).to(raw_SV.device, non_blocking=True)
            raw_SV[rows] = raw_SV[rows].masked_fill(~allowed_CV, -torch.inf)
        drawn = [row for row, sequence in enumerate(sequences) if not sequence.request.params.greedy]
        token_S = raw_SV.argmax(dim=-1)
        if drawn:
            rows_SV = raw_SV if len(drawn) == len(sequences) else raw_SV[drawn]
            token_S[drawn] = draw(rows_SV, [sequences[row] for row in drawn])
        return token_S

    def _remember(self, sequence: Sequence, raw_SV: Tensor) -> Seen | None:
        if not sequence.request.params.penalised:
            return None
        if sequence not in self._seen:
            self._seen[sequence] = Seen(raw_SV.shape[-1], raw_SV.device)
        seen = self._seen[sequence]
        seen.follow(sequence)
        return seen


def ask_constraints(sequences: List[Sequence]) -> tuple[dict[int, np.ndarray], dict[int, bool]]:
    """What each constrained row allows; and of the rows for which there is no token, whether they have ended.

    A constraint that fails is told to the log, and is no other row's concern.
    """
    allowed: dict[int, np.ndarray] = {}
    stuck: dict[int, bool] = {}
    for row, sequence in enumerate(sequences):
        if sequence.constraint is None:
            continue
        try:
            found = sequence.constraint.allowed()
        except Exception as error:
            LOG.warning("a constraint failed, which ends its request: %s", error)
            stuck[row] = False
            continue
        if found.any():
            allowed[row] = found
        else:
            stuck[row] = True
    return allowed, stuck


def draw(logits_SV: Float[Tensor, "S V"], sequences: List[Sequence]) -> Int[Tensor, "S"]:
    """Draws one token for each row, after temperature, min_p, top_k and top_p."""
    # A row is sorted when its own controls ask for it, never for its neighbours' sake: it would draw another token.
    limited = [row for row, one in enumerate(sequences) if one.request.params.top_k > 0 or one.request.params.top_p < 1]
    if not limited or len(limited) == len(sequences):
        return _draw(logits_SV, sequences, limited=bool(limited))
    free = sorted(set(range(len(sequences))) - set(limited))
    token_S = torch.empty(len(sequences), dtype=torch.long, device=logits_SV.device)
    for rows in (limited, free):
        token_S[rows] = _draw(logits_SV[rows], [sequences[row] for row in rows], limited=rows is limited)
    return token_S


def _draw(logits_SV: Float[Tensor, "S V"], sequences: List[Sequence], *, limited: bool) -> Int[Tensor, "S"]:
    params = [sequence.request.params for sequence in sequences]
    device = logits_SV.device
    scaled_SV = logits_SV / torch.tensor([[float(p.temperature)] for p in params], device=device)
    if any(p.min_p > 0 for p in params):
        floor_S1 = torch.tensor([[float(p.min_p)] for p in params], device=device)
        chance_SV = scaled_SV.softmax(dim=-1)
        too_small_SV = chance_SV < floor_S1 * chance_SV.amax(dim=-1, keepdim=True)
        scaled_SV = scaled_SV.masked_fill(too_small_SV, -torch.inf)
    if limited:
        # From the likeliest down: what top_k and top_p keep is then a prefix.
        scaled_SV, order_SV = scaled_SV.sort(dim=-1, descending=True, stable=True)
        kept_SV = _kept(scaled_SV, [p.top_k for p in params], [float(p.top_p) for p in params])
        scaled_SV = scaled_SV.masked_fill(~kept_SV, -torch.inf)
    # Doubles, so that the place where a draw falls does not hang on the rounding of a long sum.
    total_SV = scaled_SV.double().softmax(dim=-1).cumsum(dim=-1)
    uniform = [[uniform_of(sequence.seed, sequence.num_generated)] for sequence in sequences]
    mark_S1 = torch.tensor(uniform, dtype=torch.float64, device=device) * total_SV[:, -1:]
    # The largest mark may round up to the total: the last token that adds to it is then meant, not the last of all.
    last_S1 = torch.searchsorted(total_SV, total_SV[:, -1:].contiguous())
    # A row that is not finite has no such token; what it draws is thrown away, but it must draw.
    last_S1.clamp_(max=total_SV.shape[-1] - 1)
    place_S1 = torch.searchsorted(total_SV, mark_S1, right=True).minimum(last_S1)
    return (order_SV.gather(1, place_S1) if limited else place_S1)[:, 0]


def _kept(sorted_SV: Float[Tensor, "S V"], top_k: list[int], top_p: list[float]) -> Bool[Tensor, "S V"]:
    """Which of each row's logits, sorted from the largest down, top_k and then top_p keep; equals of the k-th stay."""
    width, device = sorted_SV.shape[-1], sorted_SV.device
    last_S1 = torch.tensor([[min(k, width) - 1 if k > 0 else width - 1] for k in top_k], device=device)
    kept_SV = sorted_SV >= sorted_SV.gather(1, last_S1)
    chance_SV = sorted_SV.masked_fill(~kept_SV, -torch.inf).softmax(dim=-1)
    # A token stays while those before it have less than top_p: so the first always stays.
    before_SV = chance_SV.cumsum(dim=-1) - chance_SV
    top_p_S1 = torch.tensor([[p] for p in top_p], device=device)
    return kept_SV & ((before_SV < top_p_S1) | (top_p_S1 >= 1))


def read_logprobs(logits_RV: Float[Tensor, "R V"], token_ids: List[int], counts: List[int]) -> list[TokenLogprobs]:
    """Logprobs of one token a row, and of the row's ``counts`` best (-1 is all), from the raw logits."""
    logprob_RV = torch.log_softmax(logits_RV.float(), dim=-1)
    width = logprob_RV.shape[-1]
    own_R1 = logprob_RV.gather(1, torch.tensor(token_ids, device=logprob_RV.device)[:, None])
    ranks = ((logprob_RV > own_R1).sum(dim=-1) + 1).tolist()
    counts = [width if count < 0 else min(count, width) for count in counts]
    most = max(counts)
    best_Rm, id_Rm = logprob_RV.topk(most, dim=-1) if most else (own_R1[:, :0], own_R1[:, :0].long())
    rows = zip(token_ids, own_R1[:, 0].tolist(), ranks, counts, id_Rm.tolist(), best_Rm.tolist(), strict=True)
    return [
        TokenLogprobs((token, *ids[:count]), (own, *best[:count]), rank) for token, own, rank, count, ids, best in rows
    ]


def uniform_of(seed: int, counter: int) -> float:
    """The number in [0, 1), of 53 random bits, that a seed gives at a counter."""
    digest = hashlib.blake2b(f"{seed}:{counter}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53


def seed_of(*parts: int) -> int:
    """A seed of 63 bits made of whole numbers: other parts, other seed."""
    digest = hashlib.blake2b(":".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
