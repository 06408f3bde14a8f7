"""The dtype of a folder's weights, as its settings spell it."""

from pathlib import Path

import pytest
import torch

from octavo.checkpoint.fields import Fields
from octavo.checkpoint.settings import DTYPES, dtype_name, stored_dtype
from octavo.errors import ConfigError


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_both_spellings_are_read_with_and_without_the_librarys_name(dtype: torch.dtype) -> None:
    for values in ({"dtype": dtype_name(dtype)}, {"torch_dtype": f"torch.{dtype_name(dtype)}"}):
        assert stored_dtype(Fields(Path("config.json"), values)) is dtype


@pytest.mark.parametrize("values", [{}, {"dtype": None}, {"torch_dtype": "auto"}])
def test_no_dtype_is_none(values: dict[str, object]) -> None:
    assert stored_dtype(Fields(Path("config.json"), values)) is None


@pytest.mark.parametrize("values", [{"dtype": "int8"}, {"dtype": 16}, {"dtype": "float32", "torch_dtype": "float16"}])
def test_another_or_a_contradiction_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"config\.json: (torch_)?dtype is"):
        stored_dtype(Fields(Path("config.json"), values))
