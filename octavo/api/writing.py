"""The text of one output as its tokens come: whole characters, and cut at the first stop string."""

from collections.abc import Sequence

from octavo.tokenizer.decoder import StreamDecoder


class TextWriter:
    """Turns token ids into text; finds stop strings across the borders of tokens.

    ``text`` is what the output holds so far. A stop string counts when it ends in text that came after the first
    ``min_tokens`` tokens. Without a decoder the text stays empty.
    """

    def __init__(
        self,
        decoder: StreamDecoder | None,
        stops: Sequence[str],
        *,
        include_stop: bool = False,
        min_tokens: int = 0,
    ) -> None:
        self.text = ""
        self.stop: str | None = None
        self._decoder = decoder
        self._stops = tuple(stops)
        self._include_stop = include_stop
        self._min_tokens = min_tokens
        self._num_tokens = 0
        self._sent = 0
        self._closed = False

    def push(self, token_id: int) -> None:
        """Adds a token; afterwards ``stop`` is the stop string that it completed, if any."""
        self._num_tokens += 1
        if self._decoder is not None:
            self._append(self._decoder.push(token_id))

    def close(self) -> None:
        """Says that no token will follow: what was held back is text now."""
        if self._decoder is not None and self.stop is None and not self._closed:
            self._append(self._decoder.flush())
        self._closed = True

    def fresh(self) -> str:
        """The text since the last call, as far as no stop string can take it back any more."""
        end = len(self.text) if self._closed or self.stop is not None else len(self.text) - self._held_back()
        sent, self._sent = self._sent, max(end, self._sent)
        return self.text[sent : self._sent]

    def _append(self, piece: str) -> None:
        if not piece or self.stop is not None:
            return
        old = len(self.text)
        self.text += piece
        if self._num_tokens <= self._min_tokens:
            return
        found = [
            (place, stop)
            for stop in self._stops
            # Only what ends in the new piece can be new.
            if (place := self.text.find(stop, max(0, old - len(stop) + 1))) >= 0
        ]
        if found:
            # Of two that begin together min takes the first given, since it looks at the place alone.
            place, self.stop = min(found, key=lambda one: one[0])
            self.text = self.text[: place + len(self.stop) if self._include_stop else place]

    def _held_back(self) -> int:
        """Characters at the end that may be the beginning of a stop string."""
        longest = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(self.text)), longest, -1):
                if self.text.endswith(stop[:length]):
                    longest = length
                    break
        return longest
