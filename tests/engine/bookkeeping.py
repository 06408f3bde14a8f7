"""A scheduler driven at random without a model: what each page holds is written down, and looked at when it is read."""

import random

from octavo.engine.blocks import BlockPool
from octavo.engine.config import EngineConfig
from octavo.engine.params import SamplingParams
from octavo.engine.request import Group, Request, Sequence
from octavo.engine.scheduler import Plan, Scheduler

PAGE = 4


class Bookkeeper:
    """Requests come, go and fail, seeded; ``step`` does what the engine does, and asserts what must always hold.

    A page holds the whole text up to each of its positions, as keys and values depend on it.
    """

    def __init__(self, seed: int, *, pages: int = 40, max_num_seqs: int = 6, max_num_batched_tokens: int = 24) -> None:
        self.random = random.Random(seed)
        config = EngineConfig(page_size=PAGE, max_num_seqs=max_num_seqs, max_num_batched_tokens=max_num_batched_tokens)
        self.longest = (pages - 1) * PAGE
        self.scheduler = Scheduler(config, BlockPool(pages + 1), window=None)
        self.contents: dict[tuple[int, int], tuple[int, ...]] = {}
        self.goals: dict[Sequence, int] = {}
        self.waited: dict[Sequence, int] = {}
        self.num_finished = self.num_added = self.longest_wait = 0

    def act(self) -> None:
        """One thing at random: a request, the end of one, a step that fails, or, mostly, a step."""
        chance = self.random.random()
        if chance < 0.25 and len(self.goals) < 30:
            self.add()
        elif chance < 0.28 and self.goals:
            self.end(self.random.choice(list(self.goals)))
        elif chance < 0.30:
            self.scheduler.take_back(self.scheduler.schedule())
        else:
            self.step()

    def add(self) -> None:
        """A request whose prompt begins like others: a branch of a few stems."""
        stem = self.random.randrange(3)
        length = self.random.randint(1, 60)
        prompt = [(stem * 7 + place // 9) % 11 for place in range(length)]
        if self.random.random() < 0.5:
            prompt[self.random.randrange(length) :] = [self.random.randrange(11)]
        self.num_added += 1
        request = Request(
            request_id=str(self.num_added),
            prompt_token_ids=tuple(prompt),
            params=SamplingParams(n=self.random.choice((1, 1, 2, 3)), max_tokens=None),
            cache_salt=self.random.choice(("", "", "another")),
        )
        group = Group(request=request)
        group.sequences = tuple(
            Sequence(group=group, index=index, seed=0, token_ids=list(prompt)) for index in range(request.params.n)
        )
        for sequence in group.sequences:
            self.goals[sequence] = self.random.randint(1, 30)
            self.waited[sequence] = 0
            self.scheduler.add(sequence)

    def end(self, sequence: Sequence) -> None:
        """Takes a sequence off, finished or not."""
        del self.goals[sequence], self.waited[sequence]
        sequence.finish_reason = "stop"
        self.scheduler.remove(sequence)
        self.num_finished += 1

    def step(self) -> None:
        """Plans a step, looks at all that it reads, and writes down what it did."""
        plan = self.scheduler.schedule()
        assert bool(plan.chunks) == bool(self.goals), "a step without a token while somebody waits"
        for page in plan.fresh_pages:
            for offset in range(PAGE):
                self.contents.pop((page, offset), None)
        for chunk in plan.chunks:
            self._read(chunk.sequence, chunk.start, chunk.count)
        self._commit(plan)
        for sequence in list(self.goals):
            self.waited[sequence] = 0 if sequence.running else self.waited[sequence] + 1
            if sequence.num_generated >= self.goals[sequence] or len(sequence.token_ids) >= self.longest:
                self.end(sequence)
        self.check()

    def _read(self, sequence: Sequence, start: int, count: int) -> None:
        tokens = sequence.token_ids
        salt = (-1 - len(sequence.request.cache_salt),)
        for position in range(start + count):
            place = (sequence.pages[position // PAGE], position % PAGE)
            text = (*salt, *tokens[: position + 1])
            if position >= start:
                self.contents[place] = text
            elif position in (0, start - 1) or position % PAGE == PAGE - 1:
                assert self.contents.get(place) == text, "a page holds another text than its reader thinks"

    def _commit(self, plan: Plan) -> None:
        for chunk in plan.chunks:
            sequence = chunk.sequence
            sequence.num_computed = chunk.start + chunk.count
            if chunk.samples:
                sequence.token_ids.append(self.random.randrange(11))
            self.scheduler.remember(sequence)

    def check(self) -> None:
        """What must hold after every step."""
        pool = self.scheduler.pool
        assert pool.free + pool.used + pool.cached == pool.total
        held = {page for sequence in self.scheduler.running for page in sequence.pages}
        assert len(held) == pool.used
        assert not any(sequence.pages for sequence in self.scheduler.waiting)
        # First come, first served: nobody waits longer than those before it take. Over a million steps it was 131.
        self.longest_wait = max(self.longest_wait, max(self.waited.values(), default=0))
        assert self.longest_wait < 500, "a request starves"
