"""Layers are named by number, one by one or from here to there."""

import pytest

from octavo.cli.layers import parse_layers
from octavo.errors import RequestError


def test_numbers_and_ranges_are_layers() -> None:
    assert parse_layers("0,15,31") == (0, 15, 31)
    assert parse_layers("4-6, 1,5") == (1, 4, 5, 6)
    assert parse_layers(None) is None


@pytest.mark.parametrize("text", ["", "a", "3-1", "-1", "1,,2", "1-2-3", "99999", "1.5"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="want numbers and ranges from 0 on"):
        parse_layers(text)
