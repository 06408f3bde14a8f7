"""Text that comes from a model or a file, made safe to show: control characters are spelled out, never obeyed.

A terminal obeys escape sequences, a carriage return overwrites a line, and bidirectional controls reorder one. Line
breaks and tabs stay, and so do the two joiners that scripts and emoji need.
"""

import unicodedata

KEPT = frozenset("\n\t\u200c\u200d")
SPELLED_OUT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format, surrogate, line and paragraph separators


def escape(text: str) -> str:
    """Returns the text with every character that a terminal could obey written as Python would write it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spell(character) for character in text)


def escape_line(text: str) -> str:
    """Like ``escape``, and line breaks and tabs are spelled out too: the result is one line."""
    return escape(text).replace("\n", "\\n").replace("\t", "\\t")


def _spell(character: str) -> str:
    if character in KEPT or unicodedata.category(character) not in SPELLED_OUT:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
