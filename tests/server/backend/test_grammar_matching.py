"""What a grammar allows is what its text may be, token by token; what cannot be used is refused in one line."""

import json
import random
import re

import numpy as np
import pytest

from octavo import LLM
from octavo.errors import OctavoError, RequestError
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.grammar_matching import Matchers, Pieces

WIDTH = 8200  # eight more than octavo-mini's tokenizer has
END = 2


@pytest.fixture(scope="module")
def matchers(mini: LLM) -> Matchers:
    assert mini.tokenizer is not None
    return Matchers(Pieces.of(mini.tokenizer, [END], vocab_size=WIDTH), mini.tokenizer)


def regex(source: str) -> GrammarSpec:
    return GrammarSpec(kind="regex", source=source)


def schema(**source: object) -> GrammarSpec:
    return GrammarSpec(kind="json_schema", source=json.dumps(source))


def written(matchers: Matchers, spec: GrammarSpec, *, seed: int, most: int = 200) -> list[int] | None:
    """The tokens of a text of random allowed ones, None where it had not ended after ``most``."""
    draw, grammar, ids = random.Random(seed), matchers.compile(spec).fresh(), list[int]()
    for _ in range(most):
        allowed = grammar.allowed()
        assert allowed.shape == (WIDTH,)
        token = int(draw.choice(np.flatnonzero(allowed)))
        grammar.accept(token)
        if token == END:
            assert not grammar.allowed().any()
            return ids
        ids.append(token)
    return None


def text_of(mini: LLM, ids: list[int]) -> str:
    assert mini.tokenizer is not None
    return b"".join(mini.tokenizer.vocabulary.pieces[token] for token in ids).decode()


@pytest.mark.parametrize("pattern", ["yes|no", "(a+)+b", "[a-z]{3}( [a-z]{2}){2}", "é{2}[0-9]+ß", "", "(x+x+)+y"])
def test_random_texts_of_a_regex_match_it(matchers: Matchers, mini: LLM, pattern: str) -> None:
    ended = [ids for seed in range(10) if (ids := written(matchers, regex(pattern), seed=seed)) is not None]
    assert ended
    for ids in ended:
        assert re.fullmatch(pattern, text_of(mini, ids))


def test_random_texts_of_a_schema_are_what_it_says(matchers: Matchers, mini: LLM) -> None:
    person = schema(
        type="object",
        properties={
            "name": {"type": "string", "maxLength": 5},
            "age": {"type": "integer", "minimum": 0, "maximum": 99},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
        },
        required=["name", "age", "tags"],
        additionalProperties=False,
    )
    for seed in range(10):
        ids = written(matchers, person, seed=seed)
        assert ids is not None
        found = json.loads(text_of(mini, ids))
        assert list(found) == ["name", "age", "tags"]
        assert len(found["name"]) <= 5
        assert 0 <= found["age"] <= 99
        assert set(found["tags"]) <= {"a", "b"}


def test_any_json_object_is_an_object(matchers: Matchers, mini: LLM) -> None:
    texts = [written(matchers, GrammarSpec(kind="json_object"), seed=seed) for seed in range(20)]
    ended = [ids for ids in texts if ids is not None]
    assert ended
    for ids in ended:
        assert isinstance(json.loads(text_of(mini, ids)), dict)


def test_control_tokens_are_never_part_of_a_text(matchers: Matchers, mini: LLM) -> None:
    assert mini.tokenizer is not None
    allowed = matchers.compile(regex("(.|\n)*")).fresh().allowed()
    control = sorted(mini.tokenizer.vocabulary.control_ids)
    assert [token for token in control if allowed[token]] == [END]
    assert not allowed[8192:].any()
    assert allowed.sum() > 8000


def test_a_text_that_is_complete_has_only_an_end(matchers: Matchers) -> None:
    assert matchers.compile(regex("")).fresh().allowed().nonzero()[0].tolist() == [END]


def test_each_output_has_a_way_of_its_own(matchers: Matchers) -> None:
    prototype = matchers.compile(regex("ab|cd"))
    first, second = prototype.fresh(), prototype.fresh()
    start = second.allowed().copy()
    first.accept(int(np.flatnonzero(start)[0]))
    assert not np.array_equal(first.allowed(), start) or len(np.flatnonzero(start)) == 0
    assert np.array_equal(second.allowed(), start)
    assert np.array_equal(first.fresh().allowed(), start)


def test_a_token_that_is_not_allowed_is_an_error_and_no_crash(matchers: Matchers) -> None:
    grammar = matchers.compile(regex("[0-9]+")).fresh()
    forbidden = int(np.flatnonzero(~grammar.allowed())[100])
    with pytest.raises(OctavoError, match="the grammar cannot be followed"):
        grammar.accept(forbidden)
        grammar.allowed()


BAD = [
    (regex("(a"), "the regular expression cannot be used: unclosed group"),
    (regex("(?=a)b"), "look-around"),
    (regex("(" * 30_000 + ")" * 30_000), "the regular expression cannot be used"),
    (schema(type="strin"), "the JSON schema cannot be used: Invalid type: strin"),
    (GrammarSpec(kind="json_schema", source="{"), "the JSON schema cannot be used"),
    (GrammarSpec(kind="json_schema", source="[]"), "the JSON schema cannot be used"),
    (GrammarSpec(kind="json_schema", source="[" * 5000 + "]" * 5000), "the JSON schema cannot be used"),
    ({"$ref": "#"}, "no text fits it"),
    ({"$ref": "http://example.com/x"}, "does not fetch resources"),
    ({"not": {"type": "string"}}, "Unimplemented keys"),
    ({"properties": {f"p{place}": {"type": "string"} for place in range(1500)}, "type": "object"}, "max is 2000"),
]


@pytest.mark.parametrize(("spec", "reason"), BAD, ids=[reason[:40] for _, reason in BAD])
def test_what_cannot_be_used_is_refused_in_one_line(matchers: Matchers, spec: object, reason: str) -> None:
    given = spec if isinstance(spec, GrammarSpec) else GrammarSpec(kind="json_schema", source=json.dumps(spec))
    with pytest.raises(RequestError) as caught:
        matchers.compile(given)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_model_that_knows_no_end_ends_where_nothing_may_follow(mini: LLM) -> None:
    assert mini.tokenizer is not None
    endless = Matchers(Pieces.of(mini.tokenizer, [], vocab_size=8192), mini.tokenizer)
    grammar = endless.compile(regex("a")).fresh()
    (token,) = np.flatnonzero(grammar.allowed())
    grammar.accept(int(token))
    assert not grammar.allowed().any()
