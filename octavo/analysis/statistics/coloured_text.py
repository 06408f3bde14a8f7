"""Coloured text: every token of a text with the expert that was its first choice (Mixtral of Experts, figure 8).

Beside it stand the weight of the choice and whether two experts had equal logits where a choice fell. An expert's
number means nothing in another layer: a text has its own colours in each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, Integer

from octavo.analysis.chunk import Chunk, Flag
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.counted import expect_ranks
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.spelling import texts_of, vocabulary_of
from octavo.errors import TraceError

TOKENS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ColouredText:
    """The first T tokens of a document in one layer.

    ``piece_T`` are the bytes of each token: joined they are the text, byte for byte (with the space that some
    tokenizers put before it). ``first_T`` is the first choice, ``weight_T`` its weight or None, ``tie_T`` whether the
    router had to decide between equals in some layer; of a token that is not ``known_T`` nobody knows the experts.
    ``special_T`` are control tokens.
    """

    domain: str
    document: int
    layer: int
    num_experts: int
    position_T: Int64[np.ndarray, "T"]
    token_T: Int64[np.ndarray, "T"]
    piece_T: tuple[bytes, ...]
    first_T: Integer[np.ndarray, "T"]
    weight_T: Float32[np.ndarray, "T"] | None
    tie_T: Bool[np.ndarray, "T"]
    known_T: Bool[np.ndarray, "T"]
    special_T: Bool[np.ndarray, "T"]

    @property
    def content(self) -> bytes:
        """The text's bytes, control tokens left out."""
        return b"".join(piece for piece, special in zip(self.piece_T, self.special_T, strict=True) if not special)

    @property
    def texts(self) -> list[str]:
        """What each token adds to the text, characters with the token that completes them."""
        return texts_of(self.piece_T)


def coloured_text(
    source: TraceSource,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    documents: Sequence[int] | None = None,
    max_tokens: int = TOKENS,
) -> list[Row]:
    """A row for each token of some documents, by layer: the token's text, its expert, a tie; the value is the weight.

    ``documents`` are numbers of the trace's documents, the first one of each domain if none are named; ``max_tokens``
    of each are given. Raises TraceError as ``coloured_texts`` does.
    """
    del intervals  # a token is no sample
    rows = []
    for text in coloured_texts(source, selection=selection, documents=documents, max_tokens=max_tokens):
        for place, spelled in enumerate(text.texts):
            known = bool(text.known_T[place])
            weight = None if text.weight_T is None else float(text.weight_T[place])
            rows.append(
                row(
                    domain=text.domain,
                    document=text.document,
                    layer=text.layer,
                    position=int(text.position_T[place]),
                    token_id=int(text.token_T[place]),
                    token=spelled,
                    expert=int(text.first_T[place]) if known else None,
                    tie=bool(text.tie_T[place]),
                    value=weight,
                    n=int(known),
                    null_uniform=1 / source.manifest.num_experts_per_tok if source.manifest.renormalized else None,
                )
            )
    return rows


def coloured_texts(
    source: TraceSource,
    *,
    selection: Selection | None = None,
    documents: Sequence[int] | None = None,
    max_tokens: int = TOKENS,
) -> list[ColouredText]:
    """The texts of ``coloured_text``, document by document and layer by layer, for a renderer.

    Control tokens are among them only where the selection counts them; tokens without a known route always are. Raises
    TraceError for a trace without words or whose first choices nobody knows, and for documents that it does not have.
    """
    selection = selection or Selection()
    expect_ranks(source.manifest, ("first choice",), ("first choice",))
    vocabulary = vocabulary_of(source)
    if not source.manifest.has_tokens or not vocabulary:
        raise TraceError("a trace without token ids or their spelling: there is no text to colour")
    if max_tokens < 1:
        raise TraceError(f"{max_tokens} tokens of each text: want 1 or more")
    layers, found = selection.layers_of(source.manifest), []
    met: set[int | str] = set()
    for chunk in selection.chunks(source, weights=source.manifest.has_weights):
        for place in _wanted(chunk, documents, met):
            met |= {int(chunk.document_S[place]), chunk.domain}
            row_T = _rows(chunk, place, selection)[:max_tokens]
            for index, layer in enumerate(layers):
                pieces = tuple(vocabulary.get(int(token), b"") for token in _ids(chunk)[row_T])
                found.append(_text(chunk, place, row_T, index=index, layer=layer, pieces=pieces, source=source))
    if lost := sorted({*(documents or ())} - met):
        raise TraceError(f"no document {lost[0]} in what was chosen of this trace: its documents have other numbers")
    return found


def _wanted(chunk: Chunk, documents: Sequence[int] | None, met: set[int | str]) -> Iterator[int]:
    for place, number in enumerate(chunk.document_S.tolist()):
        if number in documents if documents is not None else place == 0 and chunk.domain not in met:
            yield place


def _rows(chunk: Chunk, place: int, selection: Selection) -> Int64[np.ndarray, "T"]:
    """The rows of a document's text."""
    row_T = np.arange(chunk.start_S1[place], chunk.start_S1[place + 1])
    kept_T = selection.token_T(chunk)[row_T]
    unknown_T = (chunk.flag_T[row_T] & (Flag.MISSING | Flag.SPECIAL | Flag.BOS)) == Flag.MISSING
    return np.asarray(row_T[kept_T | unknown_T])


def _ids(chunk: Chunk) -> Int64[np.ndarray, "T"]:
    assert chunk.token_T is not None
    return chunk.token_T.astype(np.int64)


def _text(
    chunk: Chunk,
    place: int,
    row_T: Int64[np.ndarray, "T"],
    *,
    index: int,
    layer: int,
    pieces: tuple[bytes, ...],
    source: TraceSource,
) -> ColouredText:
    flag_T = chunk.flag_T[row_T]
    return ColouredText(
        domain=chunk.domain,
        document=int(chunk.document_S[place]),
        layer=layer,
        num_experts=source.manifest.num_experts,
        position_T=chunk.position_T[row_T].astype(np.int64),
        token_T=_ids(chunk)[row_T],
        piece_T=pieces,
        first_T=chunk.expert_LTK[index, row_T, 0],
        weight_T=None if chunk.weight_LTK is None else chunk.weight_LTK[index, row_T, 0],
        tie_T=(flag_T & Flag.TIE) != 0,
        known_T=(flag_T & Flag.MISSING) == 0,
        special_T=(flag_T & (Flag.SPECIAL | Flag.BOS)) != 0,
    )
