"""Routing log: how finished requests were routed, kept for a while so that they can be asked for by their id.

    heard = log.begin(response_id, owner=owner)         a request asked for its routing
    heard.add(payload)                                  its answer, or each chunk of its stream, as it is sent
    heard.keep()                                        its last word was said

What is kept is what was answered: token ids and arrays, no text. The newest stay, up to a number of bytes; to be asked
for makes an entry new again. Only who sent the request finds it.
"""

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LOG_BYTES = 64 * 2**20
# Rows that are made into JSON at once: a long array would keep the event loop waiting.
ROWS_AT_ONCE = 512
SEPARATORS = (",", ":")
# What is kept of an answer and of its choices, in the type in which it takes the least.
COLUMNS = {
    f"{prefix}{name}": dtype
    for prefix in ("", "prompt_")
    for name, dtype in (
        ("token_ids", np.int32),
        ("routed_experts", np.int16),
        ("routed_weights", np.float32),
        ("router_logits", np.float32),
    )
}

Emit = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Columns:
    """Arrays by name, in the parts in which they came; rows are tokens."""

    parts: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, told: Mapping[str, Any]) -> None:
        """Adds what ``told`` brings of them."""
        for name, dtype in COLUMNS.items():
            if told.get(name) is not None and len(told[name]):
                self.parts.setdefault(name, []).append(np.asarray(told[name], dtype))

    @property
    def num_bytes(self) -> int:
        """What the arrays take."""
        return sum(array.nbytes for parts in self.parts.values() for array in parts)

    def pieces(self) -> Iterator[bytes]:
        """Their JSON, piece by piece, each name after a comma."""
        for name, parts in self.parts.items():
            yield f',"{name}":['.encode()
            comma = b""
            for array in parts:
                for start in range(0, len(array), ROWS_AT_ONCE):
                    rows = json.dumps(array[start : start + ROWS_AT_ONCE].tolist(), separators=SEPARATORS)
                    yield comma + rows[1:-1].encode()
                    comma = b","
            yield b"]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A request's answer: its id, who may see it, what it says of its prompt and of each choice."""

    response_id: str
    owner: bytes
    whole: Columns = field(default_factory=Columns)
    choices: dict[int, Columns] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        """What its arrays take."""
        return self.whole.num_bytes + sum(each.num_bytes for each in self.choices.values())

    def pieces(self) -> Iterator[bytes]:
        """Its JSON, piece by piece, with the names that the answer had."""
        yield f'{{"id":{json.dumps(self.response_id)},"object":"routing","choices":['.encode()
        for place, (index, choice) in enumerate(sorted(self.choices.items())):
            yield f'{"," if place else ""}{{"index":{index}'.encode()
            yield from choice.pieces()
            yield b"}"
        yield b"]"
        yield from self.whole.pieces()
        yield b"}"


class RoutingLog:
    """Keeps entries up to ``max_bytes`` together, the longest unasked-for going first; one larger than that never."""

    def __init__(self, *, max_bytes: int = LOG_BYTES) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.num_bytes = 0

    def __len__(self) -> int:
        """How many entries are kept."""
        return len(self._entries)

    def begin(self, response_id: str, *, owner: bytes = b"") -> "Hearing":
        """What is to overhear an answer; ``owner`` is whoever may ask for it."""
        return Hearing(self, Entry(response_id=response_id, owner=owner))

    def find(self, response_id: str, *, owner: bytes = b"") -> Entry | None:
        """The entry of an answer; None where it is not kept (any more) or is somebody else's."""
        entry = self._entries.get(response_id)
        if entry is None or entry.owner != owner:
            return None
        self._entries.move_to_end(response_id)
        return entry

    def keep(self, entry: Entry) -> None:
        """Keeps an entry, and lets go of others that there is no room for any more."""
        if entry.num_bytes > self._max_bytes:
            return
        if (old := self._entries.pop(entry.response_id, None)) is not None:
            self.num_bytes -= old.num_bytes
        self._entries[entry.response_id] = entry
        self.num_bytes += entry.num_bytes
        while self.num_bytes > self._max_bytes:
            _, gone = self._entries.popitem(last=False)
            self.num_bytes -= gone.num_bytes


class Hearing:
    """One answer as it is sent; nobody can ask for it before ``keep``, and without that it is forgotten."""

    def __init__(self, log: RoutingLog, entry: Entry) -> None:
        self._log = log
        self._entry = entry

    def add(self, payload: Mapping[str, Any]) -> None:
        """Adds a whole answer, or a chunk of a stream."""
        self._entry.whole.add(payload)
        for choice in payload.get("choices", ()):
            self._entry.choices.setdefault(choice["index"], Columns()).add(choice)

    def keep(self) -> None:
        """Lets the answer be asked for."""
        self._log.keep(self._entry)

    def of_stream(self, write: Callable[[Emit], Awaitable[None]]) -> Callable[[Emit], Awaitable[None]]:
        """The same ``write``, overheard, and kept when it has come to its end."""

        async def overheard(emit: Emit) -> None:
            async def both(payload: Mapping[str, Any]) -> None:
                self.add(payload)
                await emit(payload)

            await write(both)
            self.keep()

        return overheard
