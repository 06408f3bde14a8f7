"""Typed fields: each error names the file, the field and what was found; what is left over is warned of by name."""

import re
from pathlib import Path

import pytest

from octavo.checkpoint.fields import Fields
from octavo.errors import ConfigError

FILE = Path("config.json")


def fields(**values: object) -> Fields:
    return Fields(FILE, values)


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True, [2], {}, 1 << 40])
def test_a_whole_number_is_nothing_else(value: object) -> None:
    with pytest.raises(ConfigError, match=rf"config\.json: n is {re.escape(repr(value))}: want a whole number"):
        fields(n=value).integer("n")


def test_a_number_that_is_missing_is_said_to_be() -> None:
    with pytest.raises(ConfigError, match=r"config\.json: n is missing: want a whole number from 1 to 9"):
        fields().integer("n", most=9)
    assert fields().integer("n", default=3) == fields(n=None).integer("n", default=3) == 3
    assert fields().optional_integer("n") is None


@pytest.mark.parametrize("value", [0, -1.0, "1", True, None, 10**400])
def test_a_number_is_positive_and_finite(value: object) -> None:
    with pytest.raises(ConfigError, match="want a positive number"):
        fields(n=value).number("n")


def test_whole_numbers_are_numbers() -> None:
    assert fields(n=1_000_000).number("n") == 1e6


@pytest.mark.parametrize("value", [0, 1, "true", []])
def test_a_flag_is_true_or_false(value: object) -> None:
    with pytest.raises(ConfigError, match="want true or false"):
        fields(f=value).flag("f", default=False)


@pytest.mark.parametrize(("value", "ids"), [(2, (2,)), ([2, 5], (2, 5)), (None, ()), ([], ()), (0, (0,))])
def test_token_ids_are_one_or_several(value: object, ids: tuple[int, ...]) -> None:
    assert fields(eos=value).token_ids("eos") == ids


@pytest.mark.parametrize("value", [-1, "2", [2, "5"], True, 1.0, {"a": 1}])
def test_token_ids_are_nothing_else(value: object) -> None:
    with pytest.raises(ConfigError, match="want a token id or a list"):
        fields(eos=value).token_ids("eos")


def test_a_nested_field_is_named_with_its_place() -> None:
    table = fields(moe={"num_experts": "8"}).table("moe")
    assert table is not None
    with pytest.raises(ConfigError, match=r"moe\.num_experts is '8'"):
        table.integer("num_experts")
    with pytest.raises(ConfigError, match="moe is 3: want an object"):
        fields(moe=3).table("moe")
    assert fields(moe={}).table("moe") is None


def test_a_value_that_must_be_neutral_is_compared_with_its_type() -> None:
    fields(bias=False).require("bias", (False,), "no biases")
    for wrong in (0, True, "false"):
        with pytest.raises(ConfigError, match=r"bias is .*: no biases, so only False can be honoured"):
            fields(bias=wrong).require("bias", (False,), "no biases")


def test_unknown_fields_are_warned_of_once_by_name() -> None:
    read = fields(a=1, b=2, known=3, inert=4)
    read.take("known")
    with pytest.warns(UserWarning, match=r"config\.json: ignoring unknown field\(s\) 'a', 'b'$") as caught:
        read.finish({"inert"})
    assert len(caught) == 1


def test_what_is_quoted_of_a_hostile_value_is_short_and_printable() -> None:
    with pytest.raises(ConfigError) as raised:
        fields(n="\n\x1b[31m" + "x" * 10_000).integer("n")
    assert len(str(raised.value)) < 200 and str(raised.value).isprintable()
