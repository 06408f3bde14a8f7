"""Reports are written one a line, and what a killed run wrote too far is taken back."""

import json
import math
import sys

import pytest

from octavo.errors import ConfigError
from octavo.training.evaluate import DomainScore, Evaluation
from octavo.training.metrics import Journal, StepReport, draw, tensorboard


def report(step, **changes):
    values = {
        "step": step,
        "steps": 10,
        "tokens": 100 * step,
        "loss": 2.5,
        "cross_entropy": 2.4,
        "balance": 1.01,
        "z": 0.5,
        "learning_rate": 1e-3,
        "gradient_norm": 0.1,
        "tokens_per_second": 1e6,
        "mfu": None,
        "seconds": 1.0,
        "seconds_left": 9.0,
        "expert_share_LE": ((0.25, 0.75), (0.5, 0.5)),
    }
    return StepReport(**(values | changes))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_report_is_one_line_of_plain_values(tmp_path):
    validation = Evaluation((DomainScore("law", math.log(2) * 12, 4, 6),), None)
    journal = Journal(tmp_path / "metrics.jsonl", first_step=0)
    journal.write(report(1))
    journal.write(report(2, validation=validation, loss=math.nan))
    first, second = lines(tmp_path / "metrics.jsonl")
    assert (first["step"], first["loss"], first["expert_share"]) == (1, 2.5, [[0.25, 0.75], [0.5, 0.5]])
    assert "mfu" not in first
    assert second["loss"] is None
    assert second["validation"]["domains"]["law"]["bits_per_byte"] == pytest.approx(2.0)
    assert second["validation"]["bits_per_byte"] == pytest.approx(2.0)


def test_a_resumed_journal_forgets_what_came_after_its_step_and_a_torn_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path, first_step=0)
    for step in range(1, 6):
        journal.write(report(step))
    with path.open("a") as file:
        file.write('{"step": 6, "lo')
    Journal(path, first_step=3).write(report(4, loss=7.0))
    assert [(line["step"], line["loss"]) for line in lines(path)] == [(1, 2.5), (2, 2.5), (3, 2.5), (4, 7.0)]


def test_curves_have_a_point_for_every_number_domain_and_expert():
    points = {}

    class Board:
        def add_scalar(self, tag, scalar_value, global_step):
            points[tag] = (scalar_value, global_step)

        def close(self):
            pass

    validation = Evaluation((DomainScore("law", math.log(2) * 12, 4, 6),), None)
    draw(Board(), report(3, validation=validation))
    assert points["train/loss"] == (2.5, 3)
    assert points["expert_share/layer_0/expert_1"] == (0.75, 3)
    assert points["validation_bits_per_byte/law"] == (pytest.approx(2.0), 3)
    assert "train/mfu" not in points
    points.clear()
    draw(Board(), report(4, expert_share_LE=None, balance=None, z=None))
    assert not any("expert" in tag or "balance" in tag for tag in points)


def test_tensorboard_that_is_not_installed_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'octavo\[train\]'"):
        tensorboard(tmp_path)


def test_tensorboard_writes_its_file(tmp_path):
    pytest.importorskip("tensorboard")
    board = tensorboard(tmp_path / "curves")
    draw(board, report(1))
    board.close()
    assert list((tmp_path / "curves").glob("events.out.tfevents.*"))
