"""Limits: the defaults that were promised, and no bound that nobody could keep."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from octavo.errors import ConfigError
from octavo.server.limits import LEAST, Limits


def test_the_defaults_are_those_that_were_promised() -> None:
    limits = Limits()
    assert (limits.max_body_bytes, limits.max_header_bytes, limits.max_headers) == (2_000_000, 32_768, 100)
    assert (limits.max_json_depth, limits.max_n, limits.max_prompts, limits.max_temperature) == (64, 16, 64, 2)
    assert (limits.max_stops, limits.max_stop_characters) == (16, 64)
    assert (limits.max_logit_bias, limits.max_logprobs) == (300, 20)
    assert (limits.max_unsent_bytes, limits.reader_timeout) == (1_000_000, 60)


def test_a_slow_sender_is_gone_within_30_seconds() -> None:
    limits = Limits()
    assert limits.header_timeout + limits.body_timeout < 30
    assert limits.keep_alive_timeout < 30


def test_every_bound_is_explained() -> None:
    explained = set(re.findall(r"\w+", Limits.__doc__ or ""))
    assert {field.name for field in fields(Limits)} <= explained
    assert set(LEAST) <= {field.name for field in fields(Limits)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_n", 0),
        ("max_n", 1.5),
        ("max_n", True),
        ("max_n", "16"),
        ("max_queue", -1),
        ("request_timeout", float("nan")),
        ("request_timeout", float("inf")),
        ("max_temperature", -0.1),
        ("max_body_bytes", 10),
    ],
)
def test_a_bound_that_no_request_could_keep_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is .*: want a .* number of at least [0-9.e+]+$"):
        Limits(**{name: value})


def test_a_whole_number_of_seconds_and_an_empty_queue_are_fine() -> None:
    assert Limits(request_timeout=5, max_queue=0).max_queue == 0


def test_the_operators_guide_lists_every_bound_with_its_default() -> None:
    guide = (Path(__file__).parent.parent.parent / "docs" / "security.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\w+) \| ([\d,]+)(?: s)? \|", guide, re.MULTILINE))
    assert {name: float(text.replace(",", "")) for name, text in listed.items()} == {
        field.name: getattr(Limits(), field.name) for field in fields(Limits)
    }
