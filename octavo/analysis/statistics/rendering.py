"""Rendering: a coloured text as HTML, for a terminal, or as LaTeX; nothing in a text can act as a command.

A token's background is the colour of its first choice, one of eight that any eye tells apart; where there are more
experts, every eighth shares one. Ties are underlined, tokens without a known route have no colour.
"""

import html
import unicodedata
from collections.abc import Callable, Iterator

from octavo.analysis.figures.colours import INKS, PAPERS
from octavo.analysis.statistics.coloured_text import ColouredText

RESET = "\x1b[0m"
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    " ": r"\ ",
    "\t": r"\ \ \ \ ",
    "-": "{-}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    '"': r"\textquotedbl{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def to_html(text: ColouredText) -> str:
    """A ``<pre>`` to put into a page: one ``<span>`` a token, its expert and weight in the title, all text escaped."""
    spans = []
    for place, spelled in enumerate(text.texts):
        style = "" if (colours := _colours(text, place)) is None else f"background:{colours[1]};color:{colours[0]}"
        if text.tie_T[place]:
            style += ";border-bottom:2px dotted"
        title = html.escape(_title(text, place), quote=True)
        spans.append(f'<span style="{style.lstrip(";")}" title="{title}">{html.escape(shown(spelled))}</span>')
    style = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6"
    return f'<pre class="octavo-text" data-layer="{text.layer}" style="{style}">{"".join(spans)}</pre>\n'


def to_ansi(text: ColouredText) -> str:
    """The text for a terminal of 24-bit colours; a colour ends at a line's end, and control characters are spelled."""

    def coloured(part: str, place: int) -> str:
        colours = _colours(text, place)
        ink, paper = ("", "") if colours is None else (_ansi(38, colours[0]), _ansi(48, colours[1]))
        return f"{ink}{paper}{chr(27) + '[4m' if text.tie_T[place] else ''}{part}{RESET}"

    return "".join(_by_line(text, coloured, "\n")) + "\n"


def to_latex(text: ColouredText) -> str:
    """The text as boxes of typewriter letters, for a document with ``xcolor`` and ``textcomp``, set in UTF-8."""

    def coloured(part: str, place: int) -> str:
        inner = rf"\strut\texttt{{{''.join(LATEX.get(each, each) for each in part)}}}"
        inner = rf"\underline{{{inner}}}" if text.tie_T[place] else inner
        if (colours := _colours(text, place)) is None:
            return inner + r"\allowbreak{}"
        ink, paper = (each.removeprefix("#") for each in colours)
        return rf"\colorbox[HTML]{{{paper}}}{{\textcolor[HTML]{{{ink}}}{{{inner}}}}}\allowbreak{{}}%" + "\n"

    lines = "".join(_by_line(text, coloured, "\\mbox{}\\\\\n"))
    return "{\\setlength{\\fboxsep}{0pt}\\setlength{\\parindent}{0pt}\\raggedright\n" + lines + "\\par}\n"


def shown(spelled: str) -> str:
    """A text whose control characters, those of direction too, are spelled out; line ends and tabs stay."""
    return "".join(each if each.isprintable() or each in "\n\t" else _spelled(each) for each in spelled)


def _spelled(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return character
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


def _by_line(text: ColouredText, coloured: Callable[[str, int], str], line_end: str) -> Iterator[str]:
    for place, spelled in enumerate(text.texts):
        for number, part in enumerate(shown(spelled).split("\n")):
            if number:
                yield line_end
            if part:
                yield coloured(part, place)


def _colours(text: ColouredText, place: int) -> tuple[str, str] | None:
    """Ink and paper of a token; None where nobody knows its expert."""
    if not text.known_T[place]:
        return None
    expert = int(text.first_T[place]) % len(PAPERS)
    return INKS[expert], PAPERS[expert]


def _title(text: ColouredText, place: int) -> str:
    if not text.known_T[place]:
        return "route unknown"
    weight = "" if text.weight_T is None else f", weight {text.weight_T[place]:.2f}"
    return f"expert {text.first_T[place]}{weight}{', a tie' if text.tie_T[place] else ''}"


def _ansi(kind: int, colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"\x1b[{kind};2;{red};{green};{blue}m"
