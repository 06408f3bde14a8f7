"""Text as it comes, each token in the colours of the expert that read it, and in the end who read how much."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rich.style import Style

from octavo.api.outputs import CompletionDelta
from octavo.cli.flow import Flow
from octavo.cli.palette import UNREAD, Ink
from octavo.errors import RequestError
from octavo.tokenizer import StreamDecoder

PROMPT = Style(underline=True)


def check_layer(layer: int, *, num_layers: int, num_experts: int) -> None:
    """Raises RequestError unless the model has experts in this layer."""
    if not num_experts:
        raise RequestError("--experts is set, but this model is dense, it has no experts: leave the flag out")
    if not 0 <= layer < num_layers:
        raise RequestError(f"--experts is {layer}, but the model's layers are 0 to {num_layers - 1}: give one of those")


class Reading:
    """Shows the tokens of one text in order and counts, layer by layer, which experts read them.

    A token is shown when both its text and its routing are there: the model reads a token one step after it was
    chosen, and text may be held back. ``decoder`` tells how much of an output's text each of its tokens spells; only
    ``take`` needs it.
    ``count_LE`` counts first choices.
    """

    def __init__(self, ink: Ink, *, layer: int, num_layers: int, decoder: StreamDecoder | None) -> None:
        self.ink = ink
        self.layer = layer
        self.flow = Flow(ink.screen)
        self.count_LE = np.zeros((num_layers, ink.num_experts), dtype=np.int64)
        self._decoder = decoder
        self._lengths: deque[int] = deque()
        self._text = ""
        self._tokens: deque[tuple[str, bool]] = deque()
        self._rows: deque[np.ndarray] = deque()

    def add(self, texts: Iterable[str], *, prompt: bool = False) -> None:
        """Takes the texts of the tokens that follow; those of the prompt are underlined."""
        self._tokens.extend((text, prompt) for text in texts)
        self._show_ready()

    def read(self, expert_TLK: Any) -> None:
        """Takes the routing of the next T tokens [T, L, K]."""
        self._rows.extend(np.asarray(expert_TLK))
        self._show_ready()

    def take(self, delta: CompletionDelta, *, prompt: bool = True) -> None:
        """Takes what is new of a streamed output; ``prompt`` says that the prompt's tokens were added and are shown."""
        assert self._decoder is not None
        self._lengths.extend(len(self._decoder.push(token)) for token in delta.token_ids)
        self._text += delta.text
        while self._lengths and len(self._text) >= self._lengths[0]:
            # What is left at the end, such as half a character, belongs to the last token.
            ends = delta.finish_reason is not None and len(self._lengths) == 1
            length = len(self._text) if ends else self._lengths[0]
            self._lengths.popleft()
            self.add([self._text[:length]])
            self._text = self._text[length:]
        for rows in (delta.prompt_routed_experts if prompt else None, delta.routed_experts):
            if rows is not None:
                self.read(rows)

    def close(self) -> None:
        """Shows what was cut off, and the tokens that nobody read, and ends the line."""
        if self._lengths:
            self.add([self._text, *[""] * (len(self._lengths) - 1)])
        while self._tokens:
            self._show(*self._tokens.popleft(), UNREAD)
        self.flow.close()

    def _show_ready(self) -> None:
        while self._tokens and self._rows:
            first_L = self._rows.popleft()[:, 0]
            if first_L[self.layer] != UNREAD:
                self.count_LE[np.arange(len(first_L)), first_L] += 1
            self._show(*self._tokens.popleft(), int(first_L[self.layer]))

    def _show(self, text: str, prompt: bool, expert: int) -> None:
        style = self.ink.style(expert)
        if style is not None and prompt:
            style += PROMPT
        self.flow.feed(self.ink.spell(text, expert), style)


def legend(ink: Ink, count_E: Sequence[int] | np.ndarray, *, layer: int) -> str:
    """Returns a line that says what is counted, and the shares below it."""
    return f"layer {layer}, first choice of {int(sum(count_E)):,} tokens:\n" + shares(ink, count_E)


def shares(ink: Ink, count_E: Sequence[int] | np.ndarray) -> str:
    """Returns the experts in their colours with the share of tokens for which each was the first choice."""
    total = int(sum(count_E))
    lines = [""]
    width = ink.screen.width or 80
    used = 0
    for expert, count in enumerate(count_E):
        share = f" {count / max(total, 1):4.0%}"
        cells = len(str(ink.num_experts - 1)) + 2 + len(share) + 2
        if used + cells > width:
            lines.append("")
            used = 0
        lines[-1] += ink.chip(expert) + share + "  "
        used += cells
    return "\n".join(line.rstrip() for line in lines) + "\n"
