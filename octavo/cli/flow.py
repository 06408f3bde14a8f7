"""A stream of coloured tokens, broken into lines between words.

Lines are broken here and not by the terminal: one that wraps under a
coloured background paints the rest of the next line.
"""

import re

from rich.cells import cell_len
from rich.style import Style

from octavo.cli.screen import Screen

PIECES = re.compile(r"\n|[^\S\n]+|\S+")
TAB = 4


class Flow:
    """Writes pieces of text, each in its style; a word is held back until it ends, so that it is never torn."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.column = 0
        self.word: list[tuple[str, Style | None]] = []

    def feed(self, text: str, style: Style | None = None) -> None:
        """Takes the next piece."""
        for piece in PIECES.findall(text.expandtabs(TAB)):
            if piece == "\n":
                self._end_word()
                self._break()
            elif piece.isspace():
                self._end_word()
                self._write(piece, style)
            else:
                self.word.append((piece, style))

    def close(self) -> None:
        """Ends the last word and its line."""
        self._end_word()
        if self.column:
            self._break()

    def _end_word(self) -> None:
        width = sum(cell_len(text) for text, _ in self.word)
        if self.screen.width is not None and self.column and self.column + width > self.screen.width:
            self._break()
        for text, style in self.word:
            self._write(text, style)
        self.word.clear()

    def _write(self, text: str, style: Style | None) -> None:
        """Writes text without line breaks; what is wider than the screen goes on in the next line."""
        line = ""
        for character in text:
            width = cell_len(character)
            if self.screen.width is not None and self.column + width > self.screen.width:
                self.screen.write(self.screen.paint(line, style))
                line = ""
                self._break()
                if character == " ":
                    continue
            line += character
            self.column += width
        self.screen.write(self.screen.paint(line, style))

    def _break(self) -> None:
        self.screen.write("\n")
        self.column = 0
