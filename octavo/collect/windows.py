"""Windows: texts as token ids, none longer than the context, in batches that depend on the texts alone.

    text -> prefix + ids + suffix, as the tokenizer puts them; where that is longer than the context C:
    NAME@0, NAME@n, ...: prefix + the next n = C - |prefix| - |suffix| ids + suffix, each a document of its own

A batch is a run of windows of at most B tokens. It is the same whoever reads it, alone or as one of many processes, and
whatever was read before, so a token is always read beside the same others.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from octavo.collect.texts import Text
from octavo.errors import RequestError
from octavo.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is read as one document; ``number`` counts the windows of all texts, from 0 on."""

    number: int
    domain: str
    name: str
    source: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most tokens, control tokens included, of one document, of all, and of each domain; None is no limit."""

    context: int
    max_tokens: int | None = None
    max_tokens_per_domain: int | None = None

    def __post_init__(self) -> None:
        for name in ("context", "max_tokens", "max_tokens_per_domain"):
            value = getattr(self, name)
            if value is not None and value < 2:
                raise RequestError(f"--{name.replace('_', '-')} is {value}: want at least 2 tokens")


class Spelling:
    """Turns a text into the ids of its windows; ``bos`` False leaves out what the tokenizer puts around a text."""

    def __init__(self, tokenizer: Tokenizer, *, context: int, bos: bool) -> None:
        self._encode: Callable[[str], list[int]] = lambda text: tokenizer.encode(text, add_bos=False)
        self.prefix = tokenizer.prefix_ids if bos else ()
        self.suffix = tokenizer.suffix_ids if bos else ()
        self.stride = context - len(self.prefix) - len(self.suffix)
        if self.stride < 1:
            raise RequestError(f"a context of {context} leaves no room beside the tokens around a text: want more")

    def cut(self, text: str) -> list[tuple[int, ...]]:
        """The ids of each window of a text."""
        ids = self._encode(text)
        pieces = [ids[start : start + self.stride] for start in range(0, len(ids), self.stride)]
        return [(*self.prefix, *piece, *self.suffix) for piece in pieces]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Texts that are read one after the other: those of one ``domain``, or, where it is None, of any."""

    domain: str | None
    texts: Iterator[Text]


class Turns:
    """Takes texts from the group that has given the fewest tokens so far, until all are read or a limit is reached.

    ``num_tokens`` and ``tokens_of`` each domain count what was taken so far.
    """

    def __init__(self, groups: Sequence[Group], spelling: Spelling, limits: Limits) -> None:
        self._groups = groups
        self._spelling = spelling
        self._limits = limits
        self.num_tokens = 0
        self.tokens_of: dict[str, int] = {}
        self._number = 0

    @property
    def share(self) -> float:
        """How much of the limits is taken, from 0 to 1; 0 where nobody can say."""
        most, each = self._limits.max_tokens, self._limits.max_tokens_per_domain
        known = each is not None and all(group.domain is not None for group in self._groups)
        per_domain = self.num_tokens / (each * len(self._groups)) if each is not None and known else 0.0
        return max(per_domain, self.num_tokens / most if most is not None else 0.0)

    def batches(self, *, batch_tokens: int, batch_windows: int) -> Iterator[tuple[Window, ...]]:
        """Yields runs of at most ``batch_windows`` windows and ``batch_tokens`` tokens; a longer window is alone."""
        batch: list[Window] = []
        filled = 0
        for window in self.windows():
            if batch and (filled + len(window.token_ids) > batch_tokens or len(batch) == batch_windows):
                yield tuple(batch)
                batch, filled = [], 0
            batch.append(window)
            filled += len(window.token_ids)
        if batch:
            yield tuple(batch)

    def windows(self) -> Iterator[Window]:
        """Yields the windows in their one order, in which their numbers rise."""
        taken = [0] * len(self._groups)
        going = list(range(len(self._groups)))
        while going and self._left(self._limits.max_tokens, self.num_tokens) >= self._least:
            place = min(going, key=taken.__getitem__)
            group = self._groups[place]
            full = group.domain is not None and self._room(group.domain) < self._least
            text = None if full else next(group.texts, None)
            if text is None:
                going.remove(place)
                continue
            before = self.num_tokens
            yield from self._windows_of(text)
            taken[place] += self.num_tokens - before

    def _windows_of(self, text: Text) -> Iterator[Window]:
        pieces = self._spelling.cut(text.text)
        for place, ids in enumerate(pieces):
            room = self._room(text.domain)
            if room < self._least:
                return
            name = text.name if len(pieces) == 1 else f"{text.name}@{place * self._spelling.stride}"
            kept = ids[:room]
            number, self._number = self._number, self._number + 1
            self.num_tokens += len(kept)
            self.tokens_of[text.domain] = self.tokens_of.get(text.domain, 0) + len(kept)
            yield Window(number=number, domain=text.domain, name=name, source=text.source, token_ids=kept)

    @property
    def _least(self) -> int:
        """The fewest tokens that a window is worth: what stands before a text, and one of its own."""
        return len(self._spelling.prefix) + 1

    def _room(self, domain: str) -> int:
        whole = self._left(self._limits.max_tokens, self.num_tokens)
        return min(whole, self._left(self._limits.max_tokens_per_domain, self.tokens_of.get(domain, 0)))

    def _left(self, limit: int | None, taken: int) -> int:
        return sys.maxsize if limit is None else limit - taken
