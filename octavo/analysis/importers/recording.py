"""Recording: documents as another program routed them, with what is known of all of them and what is not.

rank_ordered   True where weights or logits gave the order of a token's experts; None where nobody knows it
Flag.MISSING   a token whose routing the program did not give: the last one, which was chosen but never read, and
               with Flag.CACHED one whose keys and values came from an earlier request
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int16, Integer, UInt16

from octavo.analysis.chunk import Flag, Phase
from octavo.analysis.importers.checks import UNKNOWN, check_experts, check_ids, rank
from octavo.analysis.importers.shape import RouterShape
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The ids of the tokens that are no text, where the tokenizer is known: ``special`` holds ``bos`` too."""

    bos: int | None = None
    special: frozenset[int] = frozenset()

    def flag_T(self, token_T: Integer[np.ndarray, "T"]) -> UInt16[np.ndarray, "T"]:
        """What each token is flagged as."""
        special_T = np.isin(token_T, list(self.special))
        bos_T = token_T == self.bos if self.bos is not None else np.zeros(len(token_T), bool)
        return np.asarray(special_T * int(Flag.SPECIAL) | bos_T * int(Flag.SPECIAL | Flag.BOS)).astype(np.uint16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Documents of one shape, recorded by the program ``source``; ``marked`` says that special tokens are flagged."""

    source: str
    shape: RouterShape
    documents: tuple[DocumentRoutes, ...]
    rank_ordered: bool | None
    renormalized: bool = True
    marked: bool = False
    settings: dict[str, object] = field(default_factory=dict)

    def manifest(self) -> TraceManifest:
        """The manifest of a trace that holds these documents; a column that one of them lacks is left out of all."""
        return TraceManifest(
            num_experts=self.shape.num_experts,
            num_experts_per_tok=self.shape.k,
            layers=self.shape.layers,
            rank_ordered=self.rank_ordered,
            renormalized=self.renormalized,
            has_tokens=all(each.token_T is not None for each in self.documents),
            has_weights=all(each.weight_TLK is not None for each in self.documents),
            has_logits=all(each.logits_TLE is not None for each in self.documents),
            source=self.source,
            settings={"special_tokens": "flagged" if self.marked else "unknown", **self.settings},
        )


def join(recordings: Iterable[Recording]) -> Recording:
    """All documents of several recordings as one; raises TraceError where their shapes or their order disagree."""
    first, *others = recordings
    for other in others:
        if (other.shape, other.rank_ordered, other.renormalized) != (
            first.shape,
            first.rank_ordered,
            first.renormalized,
        ):
            raise TraceError(
                f"{other.documents[0].source} and {first.documents[0].source} differ in experts, layers, weights or "
                "what is known of the order: import each into a trace of its own"
            )
    return replace(first, documents=tuple(document for each in (first, *others) for document in each.documents))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One text as an engine gave it back: prompt and output tokens, and the experts of those that it tells of.

    Row i of ``expert_TLK`` belongs to the token at position ``start`` + i; a row of -1 is one that the engine does not
    know. Ids are None where it did not give them, counts None where not even their number is known. ``first_row`` is
    where the document begins: later answers to one prompt leave the prompt to the first.
    """

    where: str
    name: str
    expert_TLK: Integer[np.ndarray, "T L K"]
    weight_TLK: np.ndarray | None = None
    prompt_ids: tuple[int, ...] | None = None
    output_ids: tuple[int, ...] | None = None
    num_prompt: int | None = None
    num_output: int | None = None
    start: int = 0
    first_row: int = 0


def document_of(answer: Answer, shape: RouterShape, *, domain: str, marks: Marks | None) -> tuple[DocumentRoutes, bool]:
    """One answer as a checked document, and whether its weights (if any) sum to 1.

    Raises TraceError where there are more or fewer rows than tokens: one fewer is what an engine gives, since nobody
    has read the last token, and that row is added as missing; so are rows before ``start``, as cached.
    """
    num_tokens, expert_TLK = _counted(answer)
    known_T = check_experts(expert_TLK, shape, answer.where)
    weight_TLK, tie_T, renormalized = None, np.zeros(num_tokens, bool), True
    if answer.weight_TLK is not None:
        ranked = rank(expert_TLK, _padded(answer.weight_TLK, num_tokens, answer.start, 0), known_T, answer.where)
        expert_TLK, weight_TLK = ranked.expert_TLK, np.where(known_T[:, None, None], ranked.weight_TLK, 0)
        tie_T, renormalized = ranked.tie_T, ranked.renormalized
    # The last token is missing because nobody has read it; any other, because somebody read it before.
    unread = num_tokens - 1 if answer.num_output else answer.start + len(answer.expert_TLK)
    cached_T = ~known_T & (np.arange(num_tokens) < unread)
    flag_T = (~known_T * int(Flag.MISSING) | cached_T * int(Flag.CACHED) | tie_T * int(Flag.TIE)).astype(np.uint16)
    token_T = _token_T(answer)
    if token_T is not None and marks is not None:
        flag_T |= marks.flag_T(token_T)
    prompt = num_tokens if answer.num_prompt is None else answer.num_prompt
    phase_T = np.where(np.arange(num_tokens) < prompt, Phase.PROMPT, Phase.GENERATED).astype(np.uint8)
    keep = slice(answer.first_row, None)
    document = DocumentRoutes(
        domain=domain,
        name=answer.name,
        source=answer.where,
        expert_TLK=np.where(known_T[:, None, None], expert_TLK, 0)[keep].astype(np.int16),
        token_T=None if token_T is None else token_T[keep],
        position_T=np.arange(num_tokens, dtype=np.uint32)[keep],
        phase_T=phase_T[keep],
        flag_T=flag_T[keep],
        weight_TLK=None if weight_TLK is None else weight_TLK[keep],
    )
    return document, renormalized


def _counted(answer: Answer) -> tuple[int, Int16[np.ndarray, "T L K"]]:
    """The number of tokens, and a row of experts for each of them."""
    end = answer.start + len(answer.expert_TLK)
    known = None if None in (answer.num_prompt, answer.num_output) else answer.num_prompt + answer.num_output  # type: ignore[operator]
    num_tokens = end if known is None else known
    if num_tokens - end not in (0, 1):
        raise TraceError(
            f"{answer.where}: rows of experts for the tokens {answer.start} to {end - 1} of {num_tokens}: want all of "
            "them, or all but the last, which nobody has read; check the array and the token ids"
        )
    if not len(answer.expert_TLK):
        raise TraceError(f"{answer.where} has no rows of experts: switch their recording on, and ask again")
    return num_tokens, _padded(answer.expert_TLK, num_tokens, answer.start, UNKNOWN).astype(np.int16)


def _padded(array: np.ndarray, num_tokens: int, start: int, filler: int) -> np.ndarray:
    whole = np.full((num_tokens, *array.shape[1:]), filler, dtype=array.dtype if filler >= 0 else np.int64)
    whole[start : start + len(array)] = array
    return whole


def _token_T(answer: Answer) -> Integer[np.ndarray, "T"] | None:
    if answer.prompt_ids is None or (answer.output_ids is None and answer.num_output):
        return None
    ids = (*answer.prompt_ids, *(answer.output_ids or ()))
    if any(abs(each) > 1 << 62 for each in ids):
        raise TraceError(f"{answer.where}: token id {max(ids, key=abs)}: no vocabulary is so large")
    token_T = np.array(ids, dtype=np.int64)
    check_ids(token_T, answer.where)
    return token_T


def recording_of(
    answers: Iterable[Answer], shape: RouterShape, *, source: str, domain: str, marks: Marks | None
) -> Recording:
    """A recording of checked documents; raises TraceError where there are none, or only some have weights."""
    made = [(document_of(answer, shape, domain=domain, marks=marks), answer) for answer in answers]
    if not made:
        raise TraceError(f"no answers of {source} to import for the domain {domain!r}: want at least one")
    weighted = {answer.weight_TLK is not None for _, answer in made}
    if len(weighted) > 1:
        raise TraceError(f"{made[0][1].where}: some answers have weights, some have none: import them apart")
    return Recording(
        source=source,
        shape=shape,
        documents=tuple(document for (document, _), _ in made),
        rank_ordered=True if weighted == {True} else None,
        renormalized=all(renormalized for (_, renormalized), _ in made),
        marked=marks is not None,
    )


def named_after(path: Path) -> str:
    """The domain of a file's documents where nobody names one: the file's name without its endings."""
    return path.name.split(".")[0] or path.name
