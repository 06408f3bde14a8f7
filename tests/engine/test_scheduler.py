"""The scheduler: whatever comes and goes, every sequence gets on, and no page is lost, shared unknown, or read after it
was handed back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from octavo.engine.blocks import BlockPool
from octavo.engine.config import EngineConfig
from octavo.engine.params import SamplingParams
from octavo.engine.request import Group, Request, Sequence
from octavo.engine.scheduler import Plan, Scheduler, pages_needed

PAGE = 4
PAGES = 12


def group_of(length: int, n: int, name: str = "0") -> Group:
    params = SamplingParams(n=n, max_tokens=None)
    group = Group(request=Request(request_id=name, prompt_token_ids=tuple(range(length)), params=params))
    group.sequences = tuple(
        Sequence(group=group, index=index, seed=0, token_ids=list(range(length))) for index in range(n)
    )
    return group


def scheduler_of(*, window: int | None = None, pages: int = PAGES, **limits: int) -> Scheduler:
    config = EngineConfig(**{"page_size": PAGE, "max_num_seqs": 4, "max_num_batched_tokens": 10, **limits})  # type: ignore[arg-type]
    return Scheduler(config, BlockPool(pages + 1), window=window)


def commit(plan: Plan) -> None:
    """What the engine does after a step: the tokens were read, and those that sample got one more."""
    for chunk in plan.chunks:
        sequence = chunk.sequence
        sequence.num_computed = chunk.start + chunk.count
        if chunk.samples:
            sequence.token_ids.append(0)


def check_tables(scheduler: Scheduler, window: int | None) -> None:
    pool = scheduler.pool
    assert pool.free + pool.used + pool.cached == pool.total
    held = {page for sequence in scheduler.running for page in sequence.pages if page}
    assert len(held) == pool.used
    for sequence in scheduler.running:
        first = 0 if window is None else max(0, sequence.num_computed - window + 1) // PAGE
        last = -(-sequence.num_computed // PAGE)
        # Every position that the next token sees is in a page of its own.
        assert all(sequence.pages[first:last])
    for sequence in scheduler.waiting:
        assert not sequence.pages
        assert not sequence.running


class Service(RuleBasedStateMachine):
    """Requests come, go and are aborted while steps are planned and done."""

    def __init__(self) -> None:
        super().__init__()
        self.window: int | None = None
        self.scheduler = scheduler_of()
        self.unfinished: list[Sequence] = []
        self.count = 0

    @initialize(window=st.sampled_from([None, 1, 5, 8]))
    def begin(self, window: int | None) -> None:
        self.window = window
        self.scheduler = scheduler_of(window=window)

    @rule(length=st.integers(1, 30), n=st.integers(1, 3))
    def add(self, length: int, n: int) -> None:
        self.count += 1
        for sequence in group_of(length, n, str(self.count)).sequences:
            self.scheduler.add(sequence)
            self.unfinished.append(sequence)

    @precondition(lambda self: self.unfinished)
    @rule(place=st.integers(0, 100))
    def abort(self, place: int) -> None:
        sequence = self.unfinished.pop(place % len(self.unfinished))
        self.scheduler.remove(sequence)

    @rule()
    def step(self) -> None:
        plan = self.scheduler.schedule()
        assert bool(plan.chunks) == bool(self.unfinished), "a step without a token while somebody waits"
        assert sum(chunk.count for chunk in plan.chunks) <= 10
        assert len(self.scheduler.running) <= 4
        assert len({id(chunk.sequence) for chunk in plan.chunks}) == len(plan.chunks)
        for chunk in plan.chunks:
            assert chunk.count > 0
            assert chunk.start == chunk.sequence.num_computed
            assert len(chunk.sequence.pages) * PAGE >= chunk.start + chunk.count
        commit(plan)
        # A sequence ends where the pool, or its window, would not hold it alone any more.
        for sequence in [one for one in self.unfinished if len(one.token_ids) > PAGES * PAGE - 6]:
            self.unfinished.remove(sequence)
            self.scheduler.remove(sequence)

    @precondition(lambda self: self.unfinished)
    @rule()
    def fail(self) -> None:
        self.scheduler.take_back(self.scheduler.schedule())

    @invariant()
    def tables_are_right(self) -> None:
        check_tables(self.scheduler, self.window)
        assert len(self.unfinished) == len(self.scheduler.running) + len(self.scheduler.waiting)


TestService = Service.TestCase
TestService.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    goal=st.integers(1, 8),
    window=st.sampled_from([None, 6]),
)
def test_everyone_finishes_in_bounded_time(lengths: list[int], goal: int, window: int | None) -> None:
    scheduler = scheduler_of(window=window)
    left = []
    for length in lengths:
        (sequence,) = group_of(length, 1).sequences
        scheduler.add(sequence)
        left.append(sequence)
    for _ in range(20 * sum(lengths) + 20 * goal * len(lengths)):
        commit(scheduler.schedule())
        for sequence in [one for one in left if one.num_generated >= goal]:
            left.remove(sequence)
            scheduler.remove(sequence)
        if not left:
            break
    assert not left
    assert scheduler.pool.used == 0


def test_a_long_prompt_is_read_in_chunks_beside_the_others() -> None:
    scheduler = scheduler_of()
    short, long = (group_of(length, 1).sequences[0] for length in (3, 25))
    scheduler.add(short)
    scheduler.add(long)
    reads = []
    for _ in range(3):
        plan = scheduler.schedule()
        reads.append([(chunk.start, chunk.count, chunk.samples) for chunk in plan.chunks])
        commit(plan)
    assert reads == [[(0, 3, True), (0, 7, False)], [(3, 1, True), (7, 9, False)], [(4, 1, True), (16, 9, True)]]


def test_the_youngest_is_preempted_and_comes_back_first() -> None:
    scheduler = scheduler_of(pages=5, max_num_batched_tokens=32)
    old, young, waiting = (group_of(length, 1, name).sequences[0] for length, name in ((8, "a"), (4, "b"), (4, "c")))
    for sequence in (old, young, waiting):
        scheduler.add(sequence)
    commit(scheduler.schedule())
    assert scheduler.running == [old, young]
    while young.running:
        commit(scheduler.schedule())
    assert scheduler.num_preempted == 1
    assert list(scheduler.waiting) == [young, waiting]
    assert young.num_computed == 0
    assert young.num_generated > 0


def test_pages_before_the_window_are_handed_back() -> None:
    scheduler = scheduler_of(window=5)
    (sequence,) = group_of(3, 1).sequences
    scheduler.add(sequence)
    most = 0
    while len(sequence.token_ids) < 100:
        commit(scheduler.schedule())
        most = max(most, scheduler.pool.used)
    assert most == pages_needed(100, page_size=PAGE, window=5) == 2
    assert sequence.pages[:-2] == [0] * (len(sequence.pages) - 2)


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 7, 8, 9])
def test_pages_needed_is_what_the_worst_position_touches(window: int) -> None:
    touched = max(last // PAGE - (last - window + 1) // PAGE + 1 for last in range(window, window + 2 * PAGE))
    assert pages_needed(1000, page_size=PAGE, window=window) == touched


def test_samples_share_the_whole_pages_of_their_prompt() -> None:
    scheduler = scheduler_of(max_num_batched_tokens=32)
    first, second, third = group_of(10, 3).sequences
    for sequence in (first, second, third):
        scheduler.add(sequence)
    plan = scheduler.schedule()
    assert [chunk.sequence for chunk in plan.chunks] == [first]
    commit(plan)
    plan = scheduler.schedule()
    assert [(chunk.start, chunk.count) for chunk in plan.chunks] == [(10, 1), (8, 2), (8, 2)]
    assert first.pages[:2] == second.pages[:2] == third.pages[:2]
    assert len({first.pages[2], second.pages[2], third.pages[2]}) == 3
    commit(plan)
    scheduler.remove(first)
    check_tables(scheduler, None)
    assert scheduler.pool.used == 4


def test_samples_read_the_prompt_anew_when_their_leader_has_let_go_of_it() -> None:
    scheduler = scheduler_of(window=5, max_num_batched_tokens=32)
    first, second = group_of(30, 2).sequences
    scheduler.add(first)
    for _ in range(5):
        commit(scheduler.schedule())
    scheduler.add(second)
    plan = scheduler.schedule()
    assert [(chunk.start, chunk.count) for chunk in plan.chunks if chunk.sequence is second] == [(0, 30)]


def test_a_failed_plan_leaves_everyone_waiting_in_order() -> None:
    scheduler = scheduler_of()
    sequences = [group_of(3, 1, str(number)).sequences[0] for number in range(3)]
    for sequence in sequences:
        scheduler.add(sequence)
    scheduler.take_back(scheduler.schedule())
    assert list(scheduler.waiting) == sequences
    assert scheduler.pool.used == 0
