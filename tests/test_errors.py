"""The tree of exceptions a caller may catch."""

import pytest

from octavo import errors


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("ConfigError", ValueError),
        ("CheckpointError", ValueError),
        ("TokenizerError", ValueError),
        ("CorpusError", ValueError),
        ("TraceError", ValueError),
        ("RequestError", ValueError),
        ("OverCapacity", RuntimeError),
    ],
)
def test_every_error_is_an_octavo_error_and_a_builtin_one(name: str, parent: type[Exception]) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.OctavoError)
    assert issubclass(error, parent)
    assert error.__doc__
