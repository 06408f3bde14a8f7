"""Reports are means over the steps since the last one, and a step that went wrong is found."""

import math

import pytest
import torch

from octavo.training.packing import Place
from octavo.training.progress import Measured, Progress


def add(progress, step, loss, *, sparse=True, norm=1.0):
    number = torch.tensor(loss)
    balance = torch.tensor(1.5) if sparse else None
    load_LE = torch.tensor([[1.0, 3.0], [2.0, 2.0]]) if sparse else torch.zeros(0)
    place = Place((step,), (0,), (0,))
    measured = Measured(step, place, number, number, balance, balance, torch.tensor(norm))
    progress.add(measured, load_LE, num_tokens=100, num_seen=1000)


def test_a_report_is_the_mean_since_the_last(tiny):
    progress = Progress(tiny(), torch.device("cpu"))
    for first in (1, 4):
        progress.start()
        for step in range(first, first + 3):
            add(progress, step, float(step))
        progress.pause()
        report = progress.report()
        assert (report.step, report.steps, report.tokens) == (first + 2, 10, 100 * (first + 2))
        assert report.loss == first + 1
        assert report.expert_share_LE == ((0.25, 0.75), (0.5, 0.5))
        assert report.mfu is None
        assert report.tokens_per_second > 0
        assert report.seconds_left == pytest.approx((10 - report.step) * 256 / report.tokens_per_second)
    assert report.seconds > 0


def test_a_dense_model_has_no_balance_and_no_load(tiny):
    progress = Progress(tiny(dense=True), torch.device("cpu"))
    progress.start()
    add(progress, 1, 2.0, sparse=False)
    progress.pause()
    report = progress.report()
    assert (report.balance, report.z, report.expert_share_LE) == (None, None, None)


@pytest.mark.parametrize("bad", [{"loss": math.nan}, {"loss": math.inf}, {"loss": 1.0, "norm": math.nan}])
def test_the_first_step_that_is_not_a_number_is_found(tiny, bad):
    progress = Progress(tiny(), torch.device("cpu"))
    assert progress.first_not_a_number() is None
    add(progress, 1, 1.0)
    assert progress.first_not_a_number() is None
    add(progress, 2, **bad)
    add(progress, 3, math.nan)
    found = progress.first_not_a_number()
    assert found is not None
    assert (found.step, found.place) == (2, Place((2,), (0,), (0,)))
