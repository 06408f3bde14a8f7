"""A field that is not known is refused with the nearest that is, and nothing is converted."""

import pytest
from pydantic import ValidationError

from octavo.server.routes.schema.strict import Ids, Strict, nearest, refused, shown


class Sheet(Strict):
    folds: int = 3
    paper: str | None = None
    pages: Ids = []  # noqa: RUF012


@pytest.mark.parametrize(("stranger", "hint"), [("fold", "folds"), ("Paper", "paper"), ("page", "pages")])
def test_a_stranger_is_named_with_its_nearest(stranger: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=f"{stranger}.* did you mean '{hint}'"):
        Sheet.model_validate({stranger: 1})


def test_where_none_is_near_all_are_listed() -> None:
    assert nearest("zzzz", ["b", "a"]) == "want one of a, b"


@pytest.mark.parametrize("given", [{"folds": "3"}, {"folds": 3.0}, {"folds": True}, {"paper": 5}, {"pages": ["1"]}])
def test_nothing_is_converted(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sheet.model_validate(given)


def test_a_long_list_of_wrong_things_is_one_error() -> None:
    with pytest.raises(ValidationError) as caught:
        Sheet.model_validate({"pages": ["x"] * 100_000})
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (3, "3"), (3.0, "3"), (0.25, "0.25"), ("é\n", r"'\xe9\n'"), ({}, "an object"),
        ([1], "a list"), (10**30, "a very large number"), (object(), "something else"),
    ],
)  # fmt: skip
def test_a_value_is_shown_in_json_s_words(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_long_value_is_shown_short() -> None:
    assert len(shown("\x1b" * 10_000)) < 200


def test_braces_in_a_message_stay() -> None:
    assert refused("want {this}").message() == "want {this}"
