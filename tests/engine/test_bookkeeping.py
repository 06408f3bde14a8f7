"""Ten thousand things at random: no page is lost, none holds what its reader does not expect, nobody starves.

``benchmarks/scheduler.py`` does a million.
"""

import pytest

from tests.engine.bookkeeping import Bookkeeper


@pytest.mark.parametrize("pages", [17, 40])
def test_pages_hold_what_their_readers_think_over_five_thousand_steps(pages: int) -> None:
    keeper = Bookkeeper(seed=pages, pages=pages)
    for _ in range(5000):
        keeper.act()
    assert keeper.num_finished > 300
    assert keeper.scheduler.num_preempted > 50
    assert keeper.scheduler.num_hit > 1000
    while keeper.goals:
        keeper.step()
    assert keeper.scheduler.pool.used == 0
    assert keeper.scheduler.pool.cached > 0
