"""Figure 8 of the Mixtral paper: texts whose every token has the colour of the expert that its first choice was."""

import importlib
import itertools
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from octavo.analysis.figures.colours import INKS, PAPERS
from octavo.analysis.figures.excerpts import Excerpt
from octavo.analysis.figures.figure import Figure, Sheet
from octavo.analysis.statistics.rows import Row, row

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


def coloured_text(excerpts: Sequence[Excerpt], *, num_experts: int) -> Figure:
    """A panel for each excerpt and layer, one below and one beside the other."""
    layers = excerpts[0].layers
    pieces = [list(lay_out(excerpt.piece_T, COLUMNS)) for excerpt in excerpts]
    lines = [max((piece.line for piece in each), default=0) + 1 for each in pieces]
    tokens = sum(len(excerpt.piece_T) for excerpt in excerpts)

    def draw(sheet: Sheet) -> None:
        shown = _in_glyphs()
        many = sheet.subplots(len(excerpts), len(layers), squeeze=False, height_ratios=lines)
        for excerpt, laid, height, beside in zip(excerpts, pieces, lines, many, strict=True):
            for place, axes in enumerate(beside):
                axes.set(xlim=(0, COLUMNS), ylim=(height, 0))
                axes.set_axis_off()
                above = f"layer {layers[place]}\n" if excerpt is excerpts[0] else ""
                axes.set_title(above + excerpt.domain, loc="left", pad=2, fontsize=7)
                _paint(axes, excerpt, laid, place)
        _legend(sheet, num_experts)
        # Only when everything has its place is it known how wide a column is, and so how large a letter.
        sheet.draw_without_rendering()
        size = many[0, 0].get_window_extent().width / sheet.dpi * 72 / COLUMNS / EM
        for excerpt, laid, beside in zip(excerpts, pieces, many, strict=True):
            for place, axes in enumerate(beside):
                _write(axes, excerpt, laid, place, shown=shown, size=size)

    return Figure(
        name="figure-8",
        title="Which expert read each token",
        caption=(
            f"The first tokens of {len(excerpts)} document(s), {tokens:,} in all, each in the colour of its first "
            "choice in that layer. A colour stands for another expert in every layer"
            + (f", and for every eighth of the {num_experts}" if num_experts > len(PAPERS) else "")
            + ". White space at a token's beginning is part of it; ↵ is a line break. Even chance would give "
            f"neighbours the same expert in {100 / num_experts:.3g} % of all pairs."
        ),
        rows=list(_rows(excerpts)),
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


def _paint(axes: Sheet, excerpt: Excerpt, laid: Sequence[Piece], place: int) -> None:
    """Lays the paper of every token."""
    for line, pieces in itertools.groupby(laid, key=lambda piece: piece.line):
        held = list(pieces)
        spans = [(piece.column, sum(map(width, piece.text))) for piece in held]
        papers = [_colours(excerpt, piece.token, place)[1] for piece in held]
        axes.broken_barh(spans, (line + 0.04, 0.92), facecolors=papers, linewidth=0)


def _write(
    axes: Sheet, excerpt: Excerpt, laid: Sequence[Piece], place: int, *, shown: Callable[[str], str], size: float
) -> None:
    """Writes the text. Every character is as wide as the next, so what has one ink is written in one go."""
    for line, pieces in itertools.groupby(laid, key=lambda piece: piece.line):
        for ink, run in itertools.groupby(pieces, key=lambda piece: _colours(excerpt, piece.token, place)[0]):
            held = list(run)
            text = "".join(shown(piece.text) for piece in held)
            where = (held[0].column, line + 0.54)
            axes.text(*where, text, color=ink, fontsize=size, family=FONT, va="center", ha="left", in_layout=False)


def _colours(excerpt: Excerpt, token: int, place: int) -> tuple[str, str]:
    """Ink and paper of a token."""
    if not excerpt.known_T[token]:
        return "#000000", UNKNOWN
    expert = int(excerpt.first_LT[place, token])
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


def _rows(excerpts: Sequence[Excerpt]) -> Iterator[Row]:
    for excerpt in excerpts:
        for token, piece in enumerate(excerpt.piece_T):
            for place, layer in enumerate(excerpt.layers):
                known = bool(excerpt.known_T[token])
                yield row(
                    domain=excerpt.domain,
                    document=excerpt.name,
                    token=token,
                    text=piece,
                    layer=layer,
                    expert=int(excerpt.first_LT[place, token]) if known else None,
                    value=1.0,
                    n=int(known),
                )
