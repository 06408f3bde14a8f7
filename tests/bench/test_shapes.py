"""A shape is found by its published name, a short one, or a folder."""

from pathlib import Path

import pytest

from octavo.bench.shapes import find_shape, shape_names
from octavo.config import mini, mistral_7b, mixtral_8x7b, mixtral_8x22b
from octavo.errors import CheckpointError, ConfigError


def test_published_and_short_names_are_known() -> None:
    assert find_shape("mixtral-8x7b") == mixtral_8x7b()
    assert find_shape("mixtral-8x22b") == mixtral_8x22b()
    assert find_shape("mistral-7b") == mistral_7b(version="v0.3")
    assert find_shape("mini") == find_shape("octavo-mini") == mini()
    assert all(find_shape(name) for name in shape_names())


def test_a_folder_says_its_shape(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        find_shape(str(tmp_path))


def test_a_name_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"mixtral-9x9b.*mixtral-8x7b.*mini"):
        find_shape("mixtral-9x9b")
