"""What a person sees of a training run."""

from dataclasses import replace

import pytest

from octavo.cli.training_run import changed, describe
from octavo.config import mini
from octavo.errors import ConfigError
from octavo.training.config import TrainConfig
from octavo.training.metrics import StepReport

CONFIG = TrainConfig(model=mini(), tokenizer="tokenizer", tokens=10_000, batch_tokens=1_000)
REPORT = StepReport(
    step=120,
    steps=9000,
    tokens=120_000,
    loss=3.3,
    cross_entropy=3.2139,
    balance=1.02,
    z=0.5,
    learning_rate=1e-3,
    gradient_norm=0.9,
    tokens_per_second=712_345.0,
    mfu=None,
    seconds=60.0,
    seconds_left=3725.4,
    expert_share_LE=((0.2, 0.3, 0.25, 0.25), (0.1, 0.4, 0.25, 0.25)),
)


def test_a_report_is_one_line_of_what_matters() -> None:
    assert describe(REPORT) == "loss 3.214  712 k tok/s  load 10%–40%  1:02:05 left"


def test_a_gpu_has_its_utilisation_and_a_dense_model_no_load() -> None:
    assert (
        describe(replace(REPORT, mfu=0.345, expert_share_LE=None)) == "loss 3.214  712 k tok/s  MFU 34%  1:02:05 left"
    )


def test_flags_take_the_place_of_the_recipes_values() -> None:
    config = changed(CONFIG, steps=7, seed=3, batch_tokens=2_000, learning_rate=None)
    assert (config.steps, config.seed, config.learning_rate) == (7, 3, CONFIG.learning_rate)


def test_without_flags_the_recipe_stands() -> None:
    assert changed(CONFIG, steps=None, seed=None) == CONFIG


def test_a_value_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_tokens is -1"):
        changed(CONFIG, steps=None, batch_tokens=-1)
