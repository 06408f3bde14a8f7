"""Routing rows come out in order, once, and tokens that nobody read have -1 and 0."""

import numpy as np
import pytest

from octavo.api.rows import Rows
from octavo.config import mini
from octavo.engine.request import RoutingRows
from octavo.engine.transfer import HostRouting


def rows_of(start: int, count: int, *, logits: bool) -> RoutingRows:
    expert = np.arange(start, start + count, dtype=np.int16)[:, None, None] + np.zeros((count, 8, 2), np.int16)
    router = np.ones((count, 8, 8), np.float32) if logits else None
    return RoutingRows(start, HostRouting(expert, expert.astype(np.float32) / 2, router), slice(0, count), logits)


@pytest.mark.parametrize("logits", [False, True])
def test_parts_are_joined_in_order_and_handed_out_once(logits: bool) -> None:
    rows = Rows(mini(), logits=logits)
    rows.add(rows_of(0, 3, logits=logits))
    rows.add(rows_of(3, 1, logits=logits))
    expert, weight, logit = rows.take()
    assert expert.dtype == np.int16
    assert weight.dtype == np.float32
    assert expert[:, 5, 1].tolist() == [0, 1, 2, 3]
    assert weight[:, 0, 0].tolist() == [0.0, 0.5, 1.0, 1.5]
    assert (logit is None) is not logits
    rows.add(rows_of(4, 1, logits=logits))
    assert rows.take()[0][:, 0, 0].tolist() == [4]
    assert rows.take()[0].shape == (0, 8, 2)
    assert rows.count == 5


def test_tokens_that_nobody_read_fill_up() -> None:
    rows = Rows(mini(), logits=True)
    rows.add(rows_of(0, 2, logits=True))
    rows.pad(4)
    rows.pad(3)
    expert, weight, logit = rows.take()
    assert expert[:, 0, 0].tolist() == [0, 1, -1, -1]
    assert weight[2:].sum() == 0
    assert logit is not None
    assert logit.shape == (4, 8, 8)
    assert logit[2:].sum() == 0
