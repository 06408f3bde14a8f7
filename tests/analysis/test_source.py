"""What a statistic reads needs no disk: any object with the same methods will do."""

import inspect

from octavo.analysis.source import TraceSource


def test_a_source_is_asked_by_keyword_only() -> None:
    parameters = list(inspect.signature(TraceSource.chunks).parameters.values())[1:]
    assert {each.kind for each in parameters} == {inspect.Parameter.KEYWORD_ONLY}
