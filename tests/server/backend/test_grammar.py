"""A grammar is a value that says what an output must look like."""

from octavo.server.backend.grammar import GrammarSpec


def test_equal_grammars_are_equal_values() -> None:
    assert GrammarSpec(kind="regex", source="a+") == GrammarSpec(kind="regex", source="a+")
    assert len({GrammarSpec(kind="json_object"), GrammarSpec(kind="json_object")}) == 1
