"""Renderers show every character of a text and let none of it act."""

import html
import re

import numpy as np
import pytest

from octavo.analysis.chunk import Flag
from octavo.analysis.statistics.coloured_text import ColouredText, coloured_texts
from octavo.analysis.statistics.rendering import RESET, shown, to_ansi, to_html, to_latex
from tests.analysis.synthetic import MemoryTrace, document

HOSTILE = [
    b"<script>alert(1)</script>",
    b'" onmouseover="alert(1)',
    b"&lt;img src=x onerror=alert(1)&gt;",
    b"</pre><iframe>",
    b"\x1b]0;owned\x07\x1b[2J",
    b"\\input{/etc/passwd} $x^2$ #1 %comment ~_{}",
    "\u202egnp.exe \u2028 \r\x00".encode(),
    b"\n\n",
]


def text_of(pieces: list[bytes], flags: list[int] | None = None, weight: float | None = None) -> ColouredText:
    weights = None if weight is None else np.full((len(pieces), 1, 2), weight, np.float32)
    routes = [(place % 8, (place + 1) % 8) for place in range(len(pieces))]
    made = document(routes, tokens=list(range(len(pieces))), flags=flags, weight_TLK=weights)
    (found,) = coloured_texts(MemoryTrace([made], tokens=dict(enumerate(pieces))))
    return found


def test_html_holds_the_text_and_no_tag_but_its_own() -> None:
    page = to_html(text_of(HOSTILE))
    assert set(re.findall(r"</?([a-z]+)", page)) == {"pre", "span"}
    assert not re.search(r"<span[^>]*\son", page)
    inside = html.unescape(re.sub(r"<[^>]*>", "", page)).removesuffix("\n")
    assert inside == "".join(shown(piece.decode()) for piece in HOSTILE)
    assert "\x1b" not in page and "\u202e" not in page


def test_html_says_which_expert_and_how_sure() -> None:
    page = to_html(text_of([b"a", b"b", b"c"], flags=[0, int(Flag.TIE), int(Flag.MISSING)], weight=0.625))
    first, second, third = re.findall(r'<span style="([^"]*)" title="([^"]*)">', page)
    assert first == ("background:#E69F00;color:#000000", "expert 0, weight 0.62")
    assert second == ("background:#56B4E9;color:#000000;border-bottom:2px dotted", "expert 1, weight 0.62, a tie")
    assert third == ("", "route unknown")


def test_a_terminal_gets_colours_and_no_other_command() -> None:
    printed = to_ansi(text_of(HOSTILE))
    assert re.sub(r"\x1b\[[0-9;]*m", "", printed).isprintable() is False  # line ends are left
    assert not re.search(r"\x1b(?!\[[0-9;]*m)", printed)
    assert all(line.endswith(RESET) or not line for line in printed.splitlines())
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed).removesuffix("\n")
    assert plain == "".join(shown(piece.decode()) for piece in HOSTILE)


def test_latex_escapes_what_latex_would_read() -> None:
    page = to_latex(text_of([b"\\input{x}", b" 100% of $5 & #1_a^b~", b"\nnext --"]))
    assert r"\textbackslash{}input\{x\}" in page
    assert r"\ 100\%\ of\ \$5\ \&\ \#1\_a\textasciicircum{}b\textasciitilde{}" in page
    assert "\\mbox{}\\\\\n" in page
    assert "{-}{-}" in page
    assert page.count("{") - page.count("\\{") == page.count("}") - page.count("\\}")


def test_ties_and_unknown_routes_are_marked_everywhere() -> None:
    text = text_of([b"a", b"b"], flags=[int(Flag.TIE), int(Flag.MISSING)])
    assert "\x1b[4ma" in to_ansi(text)
    assert to_ansi(text).endswith(f"b{RESET}\n")
    assert r"\underline" in to_latex(text)
    assert to_latex(text).count("colorbox") == 1


def test_a_character_of_several_tokens_is_shown_once() -> None:
    text = text_of([b"\xf0\x9f", b"\xa6\x99", b"\xff"])
    assert text.texts == ["", "🦙", "\\xff"]
    assert ">🦙</span>" in to_html(text)


@pytest.mark.parametrize("kept", ["\n", "\t", "\u00a0", "é", "日"])
def test_ordinary_characters_stay(kept: str) -> None:
    assert shown(kept) == kept
