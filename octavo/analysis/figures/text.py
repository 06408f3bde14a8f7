"""Figure 8 of the Mixtral paper: texts whose every token has the colour of the expert that its first choice was."""

import importlib
import itertools
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from octavo.analysis.figures.colours import INKS, PAPERS
from octavo.analysis.figures.figure import Figure, Sheet
from octavo.analysis.statistics.coloured_text import ColouredText
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

COLUMNS = 42
TAB = "    "
FONT = "DejaVu Sans Mono"
EM = 0.6021  # what a character of the font is wide
UNKNOWN = "#DDDDDD"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a token on one line: where it stands, in characters, and which token it is of."""

    text: str
    line: int
    column: int
    token: int


def coloured_panels(texts: Sequence[ColouredText]) -> Figure:
    """A panel for each text and layer, texts one below and layers one beside the other; ``coloured_texts`` gives them.

    Raises TraceError where there is no text.
    """
    if not texts:
        raise TraceError("no text to colour: name a domain or a document that the trace has")
    documents = [list(held) for _, held in itertools.groupby(texts, key=lambda text: (text.domain, text.document))]
    layers, num_experts = [text.layer for text in documents[0]], texts[0].num_experts
    pieces = [list(lay_out(list(map(visible, held[0].texts)), COLUMNS)) for held in documents]
    lines = [max((piece.line for piece in each), default=0) + 1 for each in pieces]
    tokens = sum(len(held[0].piece_T) for held in documents)

    def draw(sheet: Sheet) -> None:
        shown = _in_glyphs()
        many = sheet.subplots(len(documents), len(layers), squeeze=False, height_ratios=lines)
        for held, laid, height, beside in zip(documents, pieces, lines, many, strict=True):
            for text, axes in zip(held, beside, strict=True):
                axes.set(xlim=(0, COLUMNS), ylim=(height, 0))
                axes.set_axis_off()
                above = f"layer {text.layer}\n" if held is documents[0] else ""
                axes.set_title(above + text.domain, loc="left", pad=2, fontsize=7)
                _paint(axes, text, laid)
        _legend(sheet, num_experts)
        # Only when everything has its place is it known how wide a column is, and so how large a letter.
        sheet.draw_without_rendering()
        size = many[0, 0].get_window_extent().width / sheet.dpi * 72 / COLUMNS / EM
        for held, laid, beside in zip(documents, pieces, many, strict=True):
            for text, axes in zip(held, beside, strict=True):
                _write(axes, text, laid, shown=shown, size=size)

    return Figure(
        name="figure-8",
        title="Which expert read each token",
        caption=(
            f"The first tokens of {len(documents)} document(s), {tokens:,} in all, each in the colour of its first "
            "choice in that layer. A colour stands for another expert in every layer"
            + (f", and for every eighth of the {num_experts}" if num_experts > len(PAPERS) else "")
            + ". White space at a token's beginning is part of it; ↵ is a line break. Even chance would give "
            f"neighbours the same expert in {100 / num_experts:.3g} % of all pairs."
        ),
        rows=list(_rows(documents)),
        draw=draw,
        outlines=True,
        width=2.9 * len(layers),
        height=0.75 + 0.125 * sum(lines) + 0.18 * len(lines),
    )


def lay_out(pieces: Sequence[str], columns: int) -> Iterator[Piece]:
    """Sets tokens in lines of ``columns`` characters: a line ends where the text has its end, or where it is full."""
    line = column = 0
    for token, text in enumerate(pieces):
        held, start = "", column
        for each in text.replace("\t", TAB).replace("\n", "↵\n"):
            if each == "\n" or column + width(each) > columns:
                if held:
                    yield Piece(held, line, start, token)
                line, column, start, held = line + 1, 0, 0, ""
            if each != "\n":
                held += each
                column += width(each)
        if held:
            yield Piece(held, line, start, token)


def width(character: str) -> int:
    """How many columns a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def visible(text: str) -> str:
    """A text without what commands a page or a terminal: other control characters than line ends and tabs by number."""
    return "".join(each if each.isprintable() or each in "\n\t" else f"\\u{ord(each):04x}" for each in text)


def _paint(axes: Sheet, text: ColouredText, laid: Sequence[Piece]) -> None:
    """Lays the paper of every token."""
    for line, pieces in itertools.groupby(laid, key=lambda piece: piece.line):
        held = list(pieces)
        spans = [(piece.column, sum(map(width, piece.text))) for piece in held]
        papers = [_colours(text, piece.token)[1] for piece in held]
        axes.broken_barh(spans, (line + 0.04, 0.92), facecolors=papers, linewidth=0)


def _write(axes: Sheet, text: ColouredText, laid: Sequence[Piece], *, shown: Callable[[str], str], size: float) -> None:
    """Writes the text. Every character is as wide as the next, so what has one ink is written in one go."""
    for line, pieces in itertools.groupby(laid, key=lambda piece: piece.line):
        for ink, run in itertools.groupby(pieces, key=lambda piece: _colours(text, piece.token)[0]):
            held = list(run)
            written = "".join(shown(piece.text) for piece in held)
            where = (held[0].column, line + 0.54)
            axes.text(*where, written, color=ink, fontsize=size, family=FONT, va="center", ha="left", in_layout=False)


def _colours(text: ColouredText, token: int) -> tuple[str, str]:
    """Ink and paper of a token."""
    if not text.known_T[token]:
        return "#000000", UNKNOWN
    expert = int(text.first_T[token])
    return INKS[expert % len(INKS)], PAPERS[expert % len(PAPERS)]


def _legend(sheet: Sheet, num_experts: int) -> None:
    handles = [sheet.axes[0].barh([0], [0], color=PAPERS[each])[0] for each in range(min(num_experts, len(PAPERS)))]
    names = [f"expert {each}" for each in range(len(handles))]
    sheet.legend(handles, names, loc="outside upper right", ncols=len(handles), fontsize=6, handlelength=1.2)


def _in_glyphs() -> Callable[[str], str]:
    """What a text looks like in the font: a box stands for a character that it does not have."""
    path = importlib.import_module("matplotlib.font_manager").findfont(FONT)
    font = importlib.import_module("matplotlib.ft2font").FT2Font(path)
    return lambda text: "".join(each if font.get_char_index(ord(each)) else "□" for each in text)


def _rows(documents: Sequence[Sequence[ColouredText]]) -> Iterator[Row]:
    for held in documents:
        for token, spelled in enumerate(held[0].texts):
            for text in held:
                known, weight = bool(text.known_T[token]), None if text.weight_T is None else text.weight_T[token]
                yield row(
                    domain=text.domain,
                    document=text.document,
                    position=int(text.position_T[token]),
                    token=spelled,
                    layer=text.layer,
                    expert=int(text.first_T[token]) if known else None,
                    value=None if weight is None else float(weight),
                    n=int(known),
                )
