"""The block pool: no page is lost, none is held by two without knowing, none is given back twice."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from octavo.engine.blocks import BlockPool

TOTAL = 12


class Pool(RuleBasedStateMachine):
    """Takes, shares, names and releases at random, beside dictionaries of the owners and of the names."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = BlockPool(TOTAL + 1)
        self.owners: dict[int, int] = {}
        self.names: dict[bytes, int] = {}

    @rule(count=st.integers(0, TOTAL))
    def take(self, count: int) -> None:
        count = min(count, self.pool.available)
        free = self.pool.free
        taken = self.pool.take(count)
        forgotten = [page for page in taken if page in self.names.values()]
        assert len(forgotten) == max(0, count - free), "a remembered page was taken while others were free"
        self.names = {name: page for name, page in self.names.items() if page not in taken}
        for page in taken:
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

    @precondition(lambda self: self.owners)
    @rule(choice=st.randoms(use_true_random=False), key=st.binary(min_size=1, max_size=1))
    def name(self, choice: object, key: bytes) -> None:
        page = choice.choice(sorted(self.owners))  # type: ignore[attr-defined]
        self.pool.name(page, key)
        if page not in self.names.values():
            self.names.setdefault(key, page)

    @precondition(lambda self: self.owners)
    @rule(choice=st.randoms(use_true_random=False))
    def unname(self, choice: object) -> None:
        page = choice.choice(sorted(self.owners))  # type: ignore[attr-defined]
        self.pool.unname(page)
        self.names = {name: one for name, one in self.names.items() if one != page}

    @precondition(lambda self: self.names)
    @rule(choice=st.randoms(use_true_random=False))
    def hold_what_is_remembered(self, choice: object) -> None:
        page = self.pool.find(choice.choice(sorted(self.names)))  # type: ignore[attr-defined]
        assert page is not None
        self.pool.share([page])
        self.owners[page] = self.owners.get(page, 0) + 1

    @rule()
    def forget(self) -> None:
        self.pool.forget()
        self.names.clear()

    @invariant()
    def every_page_is_free_or_used_or_cached(self) -> None:
        pool = self.pool
        assert pool.free + pool.used + pool.cached == pool.total == TOTAL
        assert pool.used == len(self.owners)
        assert pool.cached == sum(page not in self.owners for page in self.names.values())

    @invariant()
    def every_name_finds_its_page(self) -> None:
        for number in range(256):
            assert self.pool.find(bytes([number])) == self.names.get(bytes([number]))


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_page_0_is_never_handed_out() -> None:
    pool = BlockPool(5)
    assert sorted(pool.take(4)) == [1, 2, 3, 4]


def test_more_than_is_free_cannot_be_taken() -> None:
    pool = BlockPool(3)
    with pytest.raises(AssertionError, match="3 pages taken of 2 available"):
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


def test_what_was_given_back_first_is_forgotten_first_and_the_end_of_a_text_before_its_beginning() -> None:
    pool = BlockPool(5)
    first, second = pool.take(2), pool.take(2)
    for page, key in zip((*first, *second), (b"a", b"ab", b"c", b"cd"), strict=True):
        pool.name(page, key)
    pool.release(second)
    pool.release(first)
    forgotten = [pool.take(1)[0] for _ in range(4)]
    assert forgotten == [second[1], second[0], first[1], first[0]]
    assert pool.find(b"a") is None
