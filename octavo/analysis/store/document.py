"""DocumentRoutes and Document: a text's routes as they are handed to a trace, and what the trace keeps of a text."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer, UInt8, UInt16, UInt32

from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text of the trace: its number, unique in the trace, and where it came from."""

    document: int
    domain: str
    name: str
    source: str
    num_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRoutes:
    """The T tokens of one document, each routed through L layers to K of E experts, in rank order.

    ``name`` is unique in its ``domain``; ``source`` says where the text lies. Positions count from 0 where none are
    given. What is None is not known: the trace's manifest says which columns a trace has. ``nll_T`` is the negative
    log-probability of the next token in nats, NaN where there is none. ``document`` is a number of the caller's that no
    other document of the trace has, the same whichever process does the work; None lets the writer choose one.

    Raises TraceError for an empty document, a document or domain without a name, and shapes that disagree.
    """

    domain: str
    name: str
    source: str = ""
    expert_TLK: Integer[np.ndarray, "T L K"]
    token_T: Integer[np.ndarray, "T"] | None = None
    position_T: UInt32[np.ndarray, "T"] | None = None
    phase_T: UInt8[np.ndarray, "T"] | None = None
    flag_T: UInt16[np.ndarray, "T"] | None = None
    weight_TLK: Float[np.ndarray, "T L K"] | None = None
    logits_TLE: Float[np.ndarray, "T L E"] | None = None
    nll_T: Float[np.ndarray, "T"] | None = None
    prediction_T: Integer[np.ndarray, "T"] | None = None
    document: int | None = None

    def __post_init__(self) -> None:
        if not self.domain or not self.name:
            raise TraceError(f"a document with the domain {self.domain!r} and the name {self.name!r}: want both")
        for text in (self.domain, self.name, self.source):
            if text != text.encode(errors="replace").decode():
                raise TraceError(
                    f"a document has {text!r} in its domain, name or source, which is not Unicode: rename it"
                )
        if self.expert_TLK.ndim != 3:
            raise TraceError(f"{self.named}: experts have shape {self.expert_TLK.shape}, want [tokens, layers, ranks]")
        if not self.num_tokens:
            raise TraceError(f"{self.named} has no tokens: want at least one; leave empty documents out")
        for field in (
            "token_T",
            "position_T",
            "phase_T",
            "flag_T",
            "weight_TLK",
            "logits_TLE",
            "nll_T",
            "prediction_T",
        ):
            array = getattr(self, field)
            if array is not None and array.shape != (wanted := self._wanted_shape(field, array)):
                raise TraceError(f"{self.named}: {field} has shape {array.shape}, want {wanted}, as the experts have")

    @property
    def num_tokens(self) -> int:
        """T, the document's rows."""
        return len(self.expert_TLK)

    @property
    def named(self) -> str:
        """The document as a message names it."""
        return f"document {self.name!r} of domain {self.domain!r}"

    def _wanted_shape(self, field: str, array: np.ndarray) -> tuple[int, ...]:
        if field == "weight_TLK":
            return self.expert_TLK.shape
        if field == "logits_TLE":
            return (*self.expert_TLK.shape[:2], array.shape[-1] if array.ndim else 0)
        return self.expert_TLK.shape[:1]
