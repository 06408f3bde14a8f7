"""A recipe is a Python file that returns a TrainConfig, and a setting that cannot be is refused in one line."""

import re
from pathlib import Path

import pytest

from octavo.errors import ConfigError
from octavo.training.config import Phase, TrainConfig, load_recipe

# The other recipes draw the published tables and figures of routing.
TRAINING = re.compile(r"^def recipe\(", re.MULTILINE)
RECIPES = [
    path for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.py")) if TRAINING.search(path.read_text())
]


def test_the_number_of_steps_covers_the_tokens(tiny):
    assert tiny(tokens=1000, batch_tokens=256).steps == 4
    assert tiny(tokens=1024, batch_tokens=256).steps == 4
    assert tiny(batch_tokens=256, accumulate=4).forward_tokens == 64


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tokens": 0}, "tokens is 0: want a positive whole number"),
        ({"batch_tokens": 256, "accumulate": 3}, "does not divide into accumulate 3"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd': want 'adamw' or 'muon'"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0: want a positive finite number"),
        ({"balance_weight": float("inf")}, "balance_weight is inf"),
        ({"warmup": 1.5}, "warmup is 1.5: want a share"),
        ({"betas": (0.9, 2.0)}, "want a share, from 0 to 1"),
        ({"phases": ()}, "the phases begin at []: want 0 first"),
        ({"phases": (Phase(begins=0.5),)}, "the phases begin at [0.5]: want 0 first"),
        ({"phases": (Phase(), Phase(begins=0.5), Phase(begins=0.5))}, "then each later than the one before"),
        ({"phases": (Phase(context=4096),)}, "a phase has context 4096, the model's context_length is"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tiny, change, words):
    with pytest.raises(ConfigError) as caught:
        tiny(**change)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"begins": 1.0}, "a phase begins at 1.0: want a share of the steps, from 0 to below 1"),
        ({"context": 0}, "a phase has context 0: want a positive whole number"),
        ({"domain_weights": (("prose", 0.0),)}, "the weight of 'prose' is 0.0: want a positive finite number"),
        ({"domain_weights": (("prose", 2.0), ("prose", 3.0))}, "want each domain once"),
    ],
)
def test_a_phase_that_cannot_be_is_refused(change, words):
    with pytest.raises(ConfigError) as caught:
        Phase(**change)
    assert words in str(caught.value)


def test_a_phase_lasts_until_the_next_begins(tiny):
    config = tiny(tokens=2560, batch_tokens=256, phases=(Phase(), Phase(begins=0.5), Phase(begins=0.8)))
    assert [config.phase_at(step) for step in range(10)] == [0] * 5 + [1] * 3 + [2] * 2


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_our_recipes_load(path):
    assert isinstance(load_recipe(path), TrainConfig)


def test_the_twins_differ_in_the_model_only():
    sparse, dense = (load_recipe(path) for path in RECIPES)
    from dataclasses import replace

    assert replace(dense, model=sparse.model) == sparse
    assert dense.model.hidden_dim == sparse.model.num_experts_per_tok * sparse.model.hidden_dim


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not a file"),
        ("x = 1", "has no function recipe()"),
        ("def recipe():\n    return 3", "returned int, want a TrainConfig"),
        ("def recipe():\n    return 1 / 0", "failed with ZeroDivisionError"),
        ("def recipe(:", "failed with SyntaxError"),
    ],
)
def test_a_recipe_that_is_none_says_why(tmp_path, content, words):
    path = tmp_path / "recipe.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
