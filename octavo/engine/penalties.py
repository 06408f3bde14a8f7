"""What changes the logits before the choice: min_tokens, logit_bias, and the penalties for what was said already.

    repetition r (arXiv 1909.05858, section 4.1): logit / r when positive, logit · r when negative, for what was said
    frequency f, presence p (OpenAI's definition): logit - f · count - p · [count > 0]

Repetition looks at prompt and output, the other two at the output alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from octavo.engine.request import Sequence


class Seen:
    """Of each token: whether the prompt has it (``prompt_V``) and how often the output does (``count_V``)."""

    def __init__(self, vocab_size: int, device: torch.device) -> None:
        self.prompt_V = torch.zeros(vocab_size, dtype=torch.bool, device=device)
        self.count_V = torch.zeros(vocab_size, device=device)
        self._num_followed = 0

    def follow(self, sequence: Sequence) -> None:
        """Takes in the tokens that the sequence has gained since the last call."""
        num_prompt = sequence.num_prompt
        if not self._num_followed:
            prompt = torch.tensor(sequence.token_ids[:num_prompt], device=self.prompt_V.device)
            self.prompt_V[prompt] = True
            self._num_followed = num_prompt
        new = torch.tensor(sequence.token_ids[self._num_followed :], dtype=torch.long, device=self.count_V.device)
        self.count_V.index_add_(0, new, torch.ones_like(new, dtype=self.count_V.dtype))
        self._num_followed = len(sequence.token_ids)


def edit(logits_V: Float[Tensor, "V"], sequence: Sequence, seen: Seen | None) -> None:
    """Changes one row of logits in place as the sequence's parameters say; ``seen`` is needed when they penalise."""
    request = sequence.request
    params = request.params
    if sequence.num_generated < params.min_tokens:
        ends = {*request.eos_token_ids, *(params.stop_token_ids or ())}
        if ends:
            logits_V[list(ends)] = -torch.inf
    if params.logit_bias:
        ids = list(params.logit_bias)
        bias = torch.tensor([float(params.logit_bias[i]) for i in ids], device=logits_V.device)
        logits_V[ids] += bias
    if seen is not None:
        said_V = seen.count_V > 0
        if params.repetition_penalty != 1.0:
            repeated_V = said_V | seen.prompt_V
            penalty = params.repetition_penalty
            changed_V = torch.where(logits_V > 0, logits_V / penalty, logits_V * penalty)
            logits_V.copy_(torch.where(repeated_V, changed_V, logits_V))
        logits_V -= params.frequency_penalty * seen.count_V + params.presence_penalty * said_V
