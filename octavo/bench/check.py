"""The check before anything is timed: a step's logits against the reference operations in float32.

The shape is cut to a few layers, its weights are random, and one batch is read by three models: ours, the reference in
our dtype, and the reference in float32, which is taken for exact.

    error = ‖ours − exact‖ / ‖exact‖  <=  2 · ‖reference − exact‖ / ‖exact‖

Where two experts are nearly as good, the dtype decides between them, and what comes after is another token's. Such
rows do not count for the error; their margin, in the exact router's logits, must be within what the dtype explains.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from octavo.batch import Batch, Pages
from octavo.bench.driving import STD
from octavo.bench.subject import Subject
from octavo.cache import KVCache
from octavo.checkpoint.load import empty_model
from octavo.config import ModelConfig
from octavo.engine.capacity import room_of
from octavo.engine.memory_plan import spelled
from octavo.errors import OverCapacity
from octavo.model import Output, Transformer
from octavo.ops import REFERENCE, Ops
from octavo.parameters import count

LAYERS = 2
PAGE = 16
# What float32 may differ by when it adds in another order.
LEAST = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found: errors of the logits, and the share of rows in which another expert was chosen."""

    error: float
    allowed: float
    flipped: float
    margin: float
    allowed_margin: float

    @property
    def green(self) -> bool:
        """Whether it may be timed; never where something was no number."""
        return self.error <= self.allowed and self.margin <= self.allowed_margin

    @property
    def text(self) -> str:
        """The verdict with its figures, in one line."""
        said = f"error {self.error:.2g}, allowed {self.allowed:.2g}"
        if self.flipped:
            said += f", {self.flipped:.2%} of rows chose otherwise, by {self.margin:.2g} of {self.allowed_margin:.2g}"
        return f"{'green' if self.green else 'red'}: {said}"


def batch_of(size: int, start: int, new: int, device: torch.device, *, vocab_size: int) -> Batch:
    """``new`` random tokens of each of ``size`` sequences after ``start`` positions, their pages in random order."""
    width = -(-(start + new) // PAGE)
    generator = torch.Generator().manual_seed(start + new)
    page_SP = (torch.randperm(size * width, generator=generator) + 1).view(size, width).to(device)
    position_n = torch.arange(start, start + new, device=device)
    slot_Sn = page_SP[:, position_n // PAGE] * PAGE + position_n % PAGE
    context_S = torch.full((size,), start + new, device=device)
    return Batch(
        token_T=torch.randint(0, vocab_size, (size * new,), generator=generator).to(device),
        position_T=position_n.repeat(size),
        query_start_S1=torch.arange(0, size * new + 1, new, dtype=torch.int32, device=device),
        max_query=new,
        pages=Pages(slot_Sn.flatten(), page_SP, context_S, start + new),
    )


class Checker:
    """The three models of a subject, for any number of batches; raises OverCapacity where there is no room for them."""

    def __init__(self, subject: Subject) -> None:
        self.config = replace(subject.config, num_layers=min(LAYERS, subject.config.num_layers))
        self._device = subject.device
        needed = count(self.config).total * (2 * subject.dtype.itemsize + torch.float32.itemsize)
        if needed > (free := room_of(subject.device).free):
            raise OverCapacity(
                f"the check's three models of {self.config.num_layers} layers take {spelled(needed)} of "
                f"{spelled(free)} free on {subject.device}: take a smaller shape or a larger device"
            )
        ours = self._empty(subject.dtype, subject.ops).init_weights(seed=subject.plea.seed, std=STD)
        theirs, exact = self._empty(subject.dtype, REFERENCE), self._empty(torch.float32, REFERENCE)
        theirs.load_state_dict(ours.state_dict())
        exact.load_state_dict(ours.state_dict())
        self._models = {"ours": ours.eval().lay_out(), "theirs": theirs.eval(), "exact": exact.eval()}
        self._dtypes = {"ours": subject.dtype, "theirs": subject.dtype, "exact": torch.float32}

    def _empty(self, dtype: torch.dtype, ops: Ops) -> Transformer:
        return empty_model(self.config, device=self._device, dtype=dtype, ops=ops)

    @torch.inference_mode()
    def check(self, *, size: int, start: int, new: int) -> Check:
        """Reads one batch with all three and compares."""
        batch = batch_of(size, start, new, self._device, vocab_size=self.config.vocab_size)
        assert batch.pages is not None
        pages = batch.pages.page_SP.numel() + 1
        shape = (self.config.num_layers, pages, PAGE, self.config.num_kv_heads, self.config.head_dim)
        generator = torch.Generator(self._device).manual_seed(1)
        std = STD * self.config.dim**0.5
        filled = [
            torch.empty(shape, dtype=self._dtypes["ours"], device=self._device).normal_(0, std, generator=generator)
            for _ in range(2)
        ]
        said = {}
        for name, model in self._models.items():
            cache = KVCache(self.config, num_pages=pages, page_size=PAGE, dtype=self._dtypes[name], device=self._device)
            cache.key_LPBGH.copy_(filled[0])
            cache.value_LPBGH.copy_(filled[1])
            said[name] = model(batch, cache)
        return compare(self.config, said["ours"], said["theirs"], said["exact"])


def compare(config: ModelConfig, ours: Output, theirs: Output, exact: Output) -> Check:
    """Compares what three models said of the same rows."""
    (our_T, margin), (their_T, _) = (_flips(config, each, exact) for each in (ours, theirs))
    kept_T = ~(our_T | their_T)
    exact_TV = exact.logits_RV[kept_T]
    # No row to compare is no comparison: 0 / 0 is no number, and no number is red.
    off, own = ((each.logits_RV[kept_T].float() - exact_TV).norm() / exact_TV.norm() for each in (ours, theirs))
    return Check(
        error=float(off),
        allowed=max(2 * float(own), LEAST),
        flipped=float(our_T.float().mean()),
        margin=margin,
        allowed_margin=_noise(config, theirs, exact),
    )


def _flips(config: ModelConfig, found: Output, exact: Output) -> tuple[Tensor, float]:
    """The rows that chose other experts than the exact model, and the largest margin by which one first did."""
    flipped_T = _no_rows(exact)
    margin = 0.0
    for mine, right in zip(found.routings, exact.routings, strict=True):
        chosen_TE, right_TE = _chosen(config, mine.expert_TK), _chosen(config, right.expert_TK)
        # What comes after another choice is another token's.
        first_T = (chosen_TE != right_TE).any(dim=-1) & ~flipped_T
        if first_T.any():
            logits_TE = right.logits_TE.float()
            worst_T, least_T = (logits_TE.masked_fill(~one, torch.inf).amin(dim=-1) for one in (chosen_TE, right_TE))
            margin = max(margin, float((least_T - worst_T)[first_T].max()))
        flipped_T |= first_T
    return flipped_T, margin


def _noise(config: ModelConfig, theirs: Output, exact: Output) -> float:
    """The largest margin that the dtype explains: two logits, each off by twice what the reference's are at most."""
    flipped_T = _no_rows(exact)
    most = 0.0
    for their, right in zip(theirs.routings, exact.routings, strict=True):
        off_TE = (their.logits_TE.float() - right.logits_TE.float()).abs()
        if not flipped_T.all():
            most = max(most, float(off_TE[~flipped_T].max()))
        flipped_T |= (_chosen(config, their.expert_TK) != _chosen(config, right.expert_TK)).any(dim=-1)
    return 4 * most + LEAST


def _no_rows(exact: Output) -> Tensor:
    return torch.zeros(exact.logits_RV.shape[0], dtype=torch.bool, device=exact.logits_RV.device)


def _chosen(config: ModelConfig, expert_TK: Tensor) -> Tensor:
    """Which of E experts were chosen, [T, E]."""
    none_TE = torch.zeros(expert_TK.shape[0], config.num_experts, dtype=torch.bool, device=expert_TK.device)
    return none_TE.scatter_(1, expert_TK.long(), True)
