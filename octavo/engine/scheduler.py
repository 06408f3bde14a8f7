"""The scheduler: which tokens of which sequences the next step reads, and which pages they live in. No torch here.

First come, first served. Running sequences go on, oldest first; then waiting ones are admitted while there is room. A
prompt longer than what is left of the step's tokens is read in chunks. When pages run out, the youngest running
sequence gives all of its pages back and later reads its tokens again.

Whole pages that were read keep their name when they are given back: a prompt, or a sequence that was preempted, begins
after those that are remembered. A model with a sliding window remembers none, since it gives its first pages back.
"""

from collections import deque
from dataclasses import dataclass

from octavo.engine.blocks import BlockPool
from octavo.engine.config import EngineConfig
from octavo.engine.prefix import are_kept, first_key, next_key
from octavo.engine.request import Sequence


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens ``start`` to ``start`` + ``count`` - 1 of one sequence, read in one step.

    The logits of positions ``scored_from`` to ``scored_to`` - 1 are wanted for the prompt's logprobs; with ``samples``
    those of the last token choose the next one.
    """

    sequence: Sequence
    start: int
    count: int
    scored_from: int
    scored_to: int
    samples: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """One step: its chunks, and the pages that were handed out for it and still hold what others left there."""

    chunks: tuple[Chunk, ...]
    fresh_pages: tuple[int, ...]


class Scheduler:
    """The queue and the pages of all sequences; it alone writes what a Sequence says of them, and ``running``.

    ``remembers`` says whether pages keep their names. ``most_running`` may be lowered for a while: no more sequences
    are let in then, though those that run go on. ``num_preempted`` counts the preemptions so far, ``num_queried`` the
    tokens of the sequences that were let in, and ``num_hit`` those of them that were remembered.
    """

    def __init__(self, config: EngineConfig, pool: BlockPool, *, window: int | None) -> None:
        self.pool = pool
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.num_preempted = self.num_queried = self.num_hit = 0
        self.remembers = are_kept(config, window=window)
        self._page_size = config.page_size
        self.most_running = config.max_num_seqs
        self._max_num_batched_tokens = config.max_num_batched_tokens
        self._window = window

    def add(self, sequence: Sequence) -> None:
        """Puts a sequence at the end of the queue."""
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Takes a sequence off, wherever it is, and its pages back."""
        if sequence.running:
            self.running.remove(sequence)
        else:
            self.waiting.remove(sequence)
        self._give_back(sequence)

    def remember(self, sequence: Sequence) -> None:
        """Names the pages that ``sequence`` has read to their end."""
        if self.remembers:
            whole = sequence.num_computed // self._page_size
            for number in range(sequence.num_named, whole):
                self.pool.name(sequence.pages[number], self._key(sequence, number))
            sequence.num_named = whole

    def distrust(self, sequence: Sequence) -> None:
        """Lets nobody find what a sequence has read, since something in it was no number."""
        for page in sequence.pages[: sequence.num_named]:
            self.pool.unname(page)

    def schedule(self) -> Plan:
        """Plans the next step: at least one token whenever there is a sequence that is not finished."""
        budget = self._max_num_batched_tokens
        chunks: list[Chunk] = []
        fresh: list[int] = []
        preempted_before = self.num_preempted
        position = 0
        while position < len(self.running) and budget:
            sequence = self.running[position]
            count = self._make_room(sequence, min(budget, len(sequence.token_ids) - sequence.num_computed), fresh)
            if count:
                chunks.append(_chunk(sequence, count))
                budget -= count
            position += 1
        if self.num_preempted == preempted_before:
            while budget and self._admits_another():
                sequence = self.waiting.popleft()
                self._admit(sequence)
                count = self._make_room(sequence, min(budget, len(sequence.token_ids) - sequence.num_computed), fresh)
                if count:
                    chunks.append(_chunk(sequence, count))
                    budget -= count
        return Plan(tuple(chunks), tuple(fresh))

    def take_back(self, plan: Plan) -> None:
        """Undoes a plan that failed: its sequences wait again, oldest first, and hold no pages."""
        for chunk in reversed(plan.chunks):
            self._preempt(chunk.sequence)

    def start_anew(self) -> None:
        """Lets all that run wait again, oldest first; they hold no pages, and what they read is forgotten."""
        for sequence in reversed(self.running.copy()):
            self.distrust(sequence)
            self._preempt(sequence)

    def _make_room(self, sequence: Sequence, count: int, fresh: list[int]) -> int:
        """Finds pages for the next ``count`` positions, preempting younger sequences; returns how many got room."""
        self._roll(sequence)
        held = len(sequence.pages)
        short = -(-(sequence.num_computed + count) // self._page_size) - held
        if short <= 0:
            return count
        while short > self.pool.available and self.running[-1] is not sequence:
            self._preempt(self.running[-1])
        taken = self.pool.take(min(short, self.pool.available))
        sequence.pages += taken
        fresh += taken
        return min(count, len(sequence.pages) * self._page_size - sequence.num_computed)

    def _roll(self, sequence: Sequence) -> None:
        """Hands back the pages that lie wholly before the window of the next position."""
        if self._window is None:
            return
        first = max(0, sequence.num_computed - self._window + 1) // self._page_size
        if first > sequence.num_released:
            self.pool.release([page for page in sequence.pages[sequence.num_released : first] if page])
            sequence.pages[sequence.num_released : first] = [0] * (first - sequence.num_released)
            sequence.num_released = first

    def _preempt(self, sequence: Sequence) -> None:
        self.num_preempted += 1
        self.running.remove(sequence)
        self._give_back(sequence)
        sequence.num_computed = 0
        self.waiting.appendleft(sequence)

    def _give_back(self, sequence: Sequence) -> None:
        self.pool.release([page for page in sequence.pages if page])
        sequence.pages.clear()
        sequence.num_released = sequence.num_named = 0
        sequence.running = False

    def _admits_another(self) -> bool:
        """Whether the first in the queue can start now."""
        if not self.waiting or len(self.running) >= self.most_running:
            return False
        if not self.running:
            return True
        sequence = self.waiting[0]
        leader = sequence.group.leader
        if leader is not None and leader.running and leader.num_computed < leader.num_prompt:
            return False
        length = len(sequence.token_ids)
        pages = -(-length // self._page_size)
        if self._window is not None:
            span = self._window - 1 + min(length, self._max_num_batched_tokens)
            pages = min(pages, -(-span // self._page_size) + 1)
        # One page more for each that runs, or the newcomer would soon be preempted for their sake.
        return pages + len(self.running) <= self.pool.available

    def _admit(self, sequence: Sequence) -> None:
        """Lets a sequence run, from the pages of its leader, or from those that are remembered."""
        sequence.running = True
        self.running.append(sequence)
        leader = sequence.group.leader
        if leader is not None and leader.running:
            self._follow(sequence, leader)
        else:
            sequence.group.leader = sequence
        self._recall(sequence)

    def _follow(self, sequence: Sequence, leader: Sequence) -> None:
        """Starts a sequence from the pages of one that has read its prompt."""
        # Whole pages before the last token of the prompt: no one writes there any more, and that token must be read to
        # have its logits.
        shared = leader.pages[: (leader.num_prompt - 1) // self._page_size]
        first = 0
        if self._window is not None:
            first = max(0, len(shared) * self._page_size - self._window + 1) // self._page_size
        if all(shared[first:]):
            shared[:first] = [0] * first
            self.pool.share(shared[first:])
            sequence.pages = shared
            sequence.num_released = first
            sequence.num_computed = len(shared) * self._page_size

    def _recall(self, sequence: Sequence) -> None:
        """Starts a sequence after the pages that are remembered, where that is further on."""
        params = sequence.request.params
        # The logprobs of a prompt are of logits that only reading it gives.
        must_read = params.skip_reading_prefix_cache or params.prompt_logprobs is not None
        if not self.remembers or (must_read and not sequence.num_generated):
            return
        length = len(sequence.token_ids)
        found = list(sequence.pages)
        for number in range(len(found), (length - 1) // self._page_size):
            page = self.pool.find(self._key(sequence, number))
            if page is None:
                break
            found.append(page)
        self.pool.share(found[len(sequence.pages) :])
        sequence.pages = found
        sequence.num_named = len(found)
        sequence.num_computed = len(found) * self._page_size
        self.num_queried += length
        self.num_hit += sequence.num_computed

    def _key(self, sequence: Sequence, number: int) -> bytes:
        """The name of a sequence's page ``number``, which is whole."""
        keys, size = sequence.page_keys, self._page_size
        for before in range(len(keys), number + 1):
            key = keys[-1] if keys else first_key(sequence.request.cache_salt)
            keys.append(next_key(key, sequence.token_ids[before * size : (before + 1) * size]))
        return keys[number]


def pages_needed(num_tokens: int, *, page_size: int, window: int | None) -> int:
    """Pages without which a sequence of ``num_tokens`` positions cannot be read, one token at a time at worst."""
    pages = -(-num_tokens // page_size)
    if window is None:
        return pages
    # W neighbouring positions touch this many pages when they lie worst.
    return min(pages, (window + page_size - 2) // page_size + 1)


def _chunk(sequence: Sequence, count: int) -> Chunk:
    start = sequence.num_computed
    end = start + count
    scored_from = scored_to = start
    params = sequence.request.params
    if params.prompt_logprobs is not None:
        # The row of position p is about the token at p + 1, so the last prompt position scores nothing.
        scored_from = min(max(start, sequence.group.prompt_scored), end)
        scored_to = max(scored_from, min(end, sequence.num_prompt - 1))
    samples = end == len(sequence.token_ids) and params.max_tokens != 0
    return Chunk(sequence, start, count, scored_from, scored_to, samples)
