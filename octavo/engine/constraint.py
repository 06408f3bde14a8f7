"""Constraint: which tokens an output may say next, as a grammar has it; the engine knows no grammar.

    logit_V = -inf where not allowed_V

It holds after every other control and before the temperature, in the rows that have one: their neighbours are not
touched. Logprobs are read before, off the raw logits.
"""

from typing import Protocol

import numpy as np
from jaxtyping import Bool


class Constraint(Protocol):
    """What one output may say next. Whatever it raises ends that output with an error, and no other."""

    def fresh(self) -> "Constraint":
        """Another one, at the beginning of an output."""

    def allowed(self) -> Bool[np.ndarray, "V"]:
        """Which tokens may come next, of the V of the model; none of them where the output is complete and has ended.

        Asked again it says the same.
        """

    def accept(self, token_id: int) -> None:
        """Takes in the token that came next."""
