"""Route codes: a token's chosen experts in one layer, in rank order, as one small number.

    code = Σ_j expert_j · E^(K−1−j)          (Mixtral: 8 · first + second; 56 of the 64 codes are legal)

A code holds the experts of all ranks, so a table indexed by code answers any question about them: the first choice, the
set, whether an expert is in it. Where E^K is above 256 there is no code of one byte, and ids are kept as they are.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Integer, UInt8

from octavo.errors import TraceError

CODES = 256


@dataclass(frozen=True, slots=True)
class RouteCoding:
    """How the ids of ``k`` distinct experts out of ``num_experts`` become codes and come back.

    Raises TraceError where there is no such choice: k below 1, or above the number of experts.
    """

    num_experts: int
    k: int

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.num_experts:
            raise TraceError(f"{self.k} experts a token out of {self.num_experts}: want from 1 to all of them")

    @property
    def fits_a_byte(self) -> bool:
        """Whether a code exists: E^K is at most 256."""
        return self.size <= CODES

    @property
    def size(self) -> int:
        """E^K, the number of codes, legal or not."""
        return int(self.num_experts**self.k)

    @property
    def id_dtype(self) -> np.dtype[np.unsignedinteger]:
        """The smallest type that holds an expert's id."""
        return np.dtype(np.uint8 if self.num_experts <= CODES else np.uint16)

    def expert_CK(self) -> Integer[np.ndarray, "C K"]:
        """The table from a code to its experts in rank order, also of the codes that are not legal."""
        powers_K = self._powers_K()
        return np.asarray(np.arange(self.size)[:, None] // powers_K % self.num_experts).astype(self.id_dtype)

    def member_CE(self) -> Bool[np.ndarray, "C E"]:
        """The table from a code to whether each expert is among its ranks."""
        return np.asarray((self.expert_CK()[:, :, None] == np.arange(self.num_experts)).any(axis=1))

    def legal_C(self) -> Bool[np.ndarray, "C"]:
        """Whether a code names each expert at most once."""
        return np.asarray(self.member_CE().sum(axis=1) == self.k)

    def encode(self, expert_TK: Integer[np.ndarray, "*T K"]) -> UInt8[np.ndarray, "*T"]:
        """Turns experts in rank order, last axis K, into codes."""
        return np.asarray((expert_TK.astype(np.int64) * self._powers_K()).sum(axis=-1)).astype(np.uint8)

    def decode(self, code_T: UInt8[np.ndarray, "*T"]) -> Integer[np.ndarray, "*T K"]:
        """Turns codes into experts in rank order, along a new last axis."""
        return np.asarray(self.expert_CK()[code_T])

    def _powers_K(self) -> Integer[np.ndarray, "K"]:
        assert self.fits_a_byte, "no code of one byte: keep the ids"
        return np.asarray(self.num_experts ** np.arange(self.k - 1, -1, -1))
