"""Routing log: how finished requests were routed, kept for a while so that they can be asked for by their id.

    draft = log.begin(response_id, owner=owner, model=name)          a request asked for its routing
    draft.add(delta, prompt=0, choice=0, prompt_token_ids=ids)       whatever its answer says of it, in order
    draft.keep()                                                     its last word was said

The newest stay, up to a number of bytes; to be asked for makes an entry new again. Only who sent the request finds it.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from octavo.api.outputs import CompletionDelta, CompletionOutput, RequestOutput

LOG_BYTES = 64 * 2**20
# Rows that are made into JSON at once: a long one would keep the event loop waiting.
ROWS_AT_ONCE = 512
SEPARATORS = (",", ":")

Arrays = tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]
"""Experts [T, L, K], weights [T, L, K] and router logits [T, L, E] of consecutive tokens."""


@dataclass(slots=True)
class Routed:
    """Tokens and how each was routed, of a prompt or of a choice; ``prompt`` says which prompt a choice continues."""

    prompt: int
    token_ids: list[int] = field(default_factory=list)
    parts: list[Arrays] = field(default_factory=list)

    def add(self, token_ids: Sequence[int], arrays: Arrays) -> None:
        """Adds what follows."""
        self.token_ids += token_ids
        if arrays[0] is not None and len(arrays[0]):
            self.parts.append(arrays)

    def joined(self) -> Arrays:
        """All parts as one."""
        if not self.parts:
            return None, None, None
        experts, weights, logits = (
            [each for each in column if each is not None] for column in zip(*self.parts, strict=True)
        )
        return (
            np.concatenate(experts),
            np.concatenate(weights) if weights else None,
            np.concatenate(logits) if logits else None,
        )

    @property
    def num_bytes(self) -> int:
        """About what it takes to keep."""
        arrays = sum(each.nbytes for part in self.parts for each in part if each is not None)
        return arrays + 8 * len(self.token_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A finished request: its answer's id and model, who may see it, its prompts and its choices."""

    response_id: str
    owner: bytes
    model: str
    prompts: dict[int, Routed]
    choices: dict[int, Routed]

    @property
    def num_bytes(self) -> int:
        """About what it takes to keep."""
        return sum(each.num_bytes for part in (self.prompts, self.choices) for each in part.values())

    def pieces(self) -> Iterator[bytes]:
        """Its JSON, piece by piece, with the names that answers have; several prompts stand in a list."""
        head = {"id": self.response_id, "object": "routing", "model": self.model}
        yield json.dumps(head, separators=SEPARATORS)[:-1].encode() + b',"choices":['
        for place, (index, choice) in enumerate(sorted(self.choices.items())):
            comma = "," if place else ""
            yield f'{comma}{{"index":{index},"prompt_index":{choice.prompt},'.encode()
            yield from _pieces(choice, "")
            yield b"}"
        yield b"],"
        if len(self.prompts) == 1:
            yield from _pieces(next(iter(self.prompts.values())), "prompt_")
        else:
            yield b'"prompts":['
            for index, prompt in sorted(self.prompts.items()):
                yield (b',{"index":' if index else b'{"index":') + str(index).encode() + b","
                yield from _pieces(prompt, "prompt_")
                yield b"}"
            yield b"]"
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

    def begin(self, response_id: str, *, owner: bytes, model: str) -> "RoutingDraft":
        """A draft of what is to be kept of an answer."""
        return RoutingDraft(self, Entry(response_id=response_id, owner=owner, model=model, prompts={}, choices={}))

    def find(self, response_id: str, *, owner: bytes) -> Entry | None:
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


class RoutingDraft:
    """One answer in the making; nobody can ask for it before ``keep``, and without that it is forgotten."""

    def __init__(self, log: RoutingLog, entry: Entry) -> None:
        self._log = log
        self._entry = entry

    def add(self, delta: CompletionDelta, *, prompt: int, choice: int, prompt_token_ids: Sequence[int]) -> None:
        """Adds a piece of choice ``choice``, which continues prompt ``prompt``, and of that prompt what it brings."""
        rows = delta.prompt_routed_experts, delta.prompt_routed_weights, delta.prompt_router_logits
        self._prompt(prompt, prompt_token_ids).add((), rows)
        self._choice(choice, prompt, delta)

    def add_output(self, output: RequestOutput, *, prompt: int, first_choice: int) -> None:
        """Adds a whole request: prompt ``prompt`` of the answer, and its choices from ``first_choice`` on."""
        rows = output.prompt_routed_experts, output.prompt_routed_weights, output.prompt_router_logits
        self._prompt(prompt, output.prompt_token_ids).add((), rows)
        for each in output.outputs:
            self._choice(first_choice + each.index, prompt, each)

    def keep(self) -> None:
        """Lets the answer be asked for."""
        self._log.keep(self._entry)

    def _prompt(self, index: int, token_ids: Sequence[int]) -> Routed:
        prompts = self._entry.prompts
        if index not in prompts:
            prompts[index] = Routed(index, list(token_ids))
        return prompts[index]

    def _choice(self, index: int, prompt: int, said: CompletionDelta | CompletionOutput) -> None:
        choice = self._entry.choices.setdefault(index, Routed(prompt))
        choice.add(said.token_ids, (said.routed_experts, said.routed_weights, said.router_logits))


def _pieces(routed: Routed, prefix: str) -> Iterator[bytes]:
    yield f'"{prefix}token_ids":{json.dumps(routed.token_ids, separators=SEPARATORS)}'.encode()
    columns = (f"{prefix}routed_experts", f"{prefix}routed_weights", f"{prefix}router_logits")
    for name, array in zip(columns, routed.joined(), strict=True):
        if array is None:
            continue
        yield f',"{name}":['.encode()
        for start in range(0, len(array), ROWS_AT_ONCE):
            rows = json.dumps(array[start : start + ROWS_AT_ONCE].tolist(), separators=SEPARATORS)
            yield ("," if start else "").encode() + rows[1:-1].encode()
        yield b"]"
