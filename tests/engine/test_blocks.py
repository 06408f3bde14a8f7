"""The block pool: no page is lost, none is held by two without knowing, none is given back twice."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from octavo.engine.blocks import BlockPool

TOTAL = 12


class Pool(RuleBasedStateMachine):
    """Takes, shares and releases at random, beside a dictionary that counts the owners."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = BlockPool(TOTAL + 1)
        self.owners: dict[int, int] = {}

    @rule(count=st.integers(0, TOTAL))
    def take(self, count: int) -> None:
        count = min(count, self.pool.free)
        for page in self.pool.take(count):
            assert page not in self.owners
            self.owners[page] = 1

    @precondition(lambda self: self.owners)
    @rule(choice=st.randoms(use_true_random=False))
    def share(self, choice: object) -> None:
        page = choice.choice(sorted(self.owners))  # type: ignore[attr-defined]
        self.pool.share([page])
        self.owners[page] += 1

    @precondition(lambda self: self.owners)
    @rule(choice=st.randoms(use_true_random=False))
    def release(self, choice: object) -> None:
        page = choice.choice(sorted(self.owners))  # type: ignore[attr-defined]
        self.pool.release([page])
        self.owners[page] -= 1
        if not self.owners[page]:
            del self.owners[page]

    @invariant()
    def every_page_is_free_or_used(self) -> None:
        assert self.pool.free + self.pool.used == self.pool.total == TOTAL
        assert self.pool.used == len(self.owners)


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_page_0_is_never_handed_out() -> None:
    pool = BlockPool(5)
    assert sorted(pool.take(4)) == [1, 2, 3, 4]


def test_more_than_is_free_cannot_be_taken() -> None:
    pool = BlockPool(3)
    with pytest.raises(AssertionError, match="3 pages taken of 2 free"):
        pool.take(3)


def test_a_page_cannot_be_given_back_twice() -> None:
    pool = BlockPool(3)
    pages = pool.take(1)
    pool.release(pages)
    with pytest.raises(AssertionError, match="nobody holds it"):
        pool.release(pages)


def test_a_free_page_cannot_be_shared() -> None:
    with pytest.raises(AssertionError, match="nobody holds it"):
        BlockPool(3).share([1])


def test_a_shared_page_is_free_when_its_last_owner_has_given_it_back() -> None:
    pool = BlockPool(3)
    pages = pool.take(1)
    pool.share(pages)
    pool.release(pages)
    assert (pool.free, pool.used) == (1, 1)
    pool.release(pages)
    assert (pool.free, pool.used) == (2, 0)
