"""The cases that other people's clients play are well formed, and what is wrong with an answer is found."""

from pathlib import Path

import openai
import pytest

from benchmarks.clients import drive
from benchmarks.clients.busy import busy_server
from benchmarks.clients.cases import prepare, put, read_cases
from benchmarks.clients.judge import TESTS, gather, judge
from benchmarks.promises.clients import PROMISES, caller, count_tries
from octavo.tokenizer import Tokenizer
from tests.client.pretended import Pretended, listening

FACTS = {"model": "shouter", "second key": "k", "layers": 3, "experts": 4}


def test_there_are_at_least_sixty_cases_each_with_its_name() -> None:
    cases = read_cases()
    assert len(cases) >= 60
    assert len(PROMISES) == 3


@pytest.mark.parametrize("case", read_cases(), ids=lambda case: case["name"])
def test_a_case_says_what_it_does_and_expects(case: dict[str, list[dict[str, object]]]) -> None:
    names = {step["as"] for step in case["steps"]}
    assert case["expect"]
    for path, verb, *_ in case["expect"]:
        assert path.split(".")[0] in names
        assert verb in TESTS
    for step in case["steps"]:
        assert set(step) <= {"as", "call", "args", "path", "with", "extra", "stream", "cancel_after", "raw", "client"}


@pytest.mark.parametrize(
    ("verb", "wanted", "passes", "fails"),
    [
        ("equals", [3], 3, 4),
        ("equals", [{"of": "a.other"}], 5, None),
        ("differs from", [3], 4, 3),
        ("is", ["text"], "x", ""),
        ("is", ["null"], None, 0),
        ("above", [3], 4, 3),
        ("at least", [3], 3, None),
        ("at most", [3], 3, 4),
        ("length", [2], "ab", "a"),
        ("length", [{"sum": ["a.other", "a.other"]}], "0123456789", "a"),
        ("contains", ["b"], "abc", "ac"),
        ("lacks", ["b"], "ac", "abc"),
        ("starts with", ["ab"], "abc", "bc"),
        ("matches", ["^a+$"], "aa", "ab"),
        ("repeats", [2], "abab", "abba"),
        ("contains value", [[[1]]], {"x": [[1]]}, {"x": [2]}),
        ("is JSON of", [{"keys": ["k"]}], '{"k": 1}', '{"k": 1, "l": 2}'),
        ("equals", [{"joined": ["x", {"of": "a.name"}]}], "xy", "y"),
    ],
)
def test_a_judge_sees_the_difference(verb: str, wanted: list[object], passes: object, fails: object) -> None:
    case = {"expect": [["a.value", verb, *wanted]]}
    others = {"other": 5, "name": "y"}
    assert judge(case, {"a": {"value": passes, **others}}) == []
    (told,) = judge(case, {"a": {"value": fails, **others}})
    assert "a.value is" in told


def test_what_is_not_there_fails_and_does_not_raise() -> None:
    assert len(judge({"expect": [["a.x.0.y", "equals", 1], ["a.x", "length", 1]]}, {"a": {"error": {}}})) == 2


def test_the_chunks_of_a_stream_come_together() -> None:
    def chunk(index: int, text: str, **more: object) -> dict[str, object]:
        return {"id": "i", "choices": [{"index": index, "text": text, **more}]}

    stream = {"chunks": [chunk(0, "a"), chunk(1, "b"), chunk(0, "c", finish_reason="stop", routed_experts=[[1]])]}
    found = gather(stream)
    assert (found["texts"], found["finish"], found["routed"][0]) == (["ac", "b"], ["stop", None], [[1]])


def test_texts_and_names_are_put_into_a_case() -> None:
    given = {"a": "{model}", "b": "{layers}", "c": {"text": "law/fence.txt", "to": 7}, "d": {"repeat": "x", "times": 3}}
    found = put(given, FACTS)
    assert (found["a"], found["b"], len(found["c"]), found["d"]) == ("shouter", 3, 7, "xxx")
    assert put("{a.id}", FACTS) == "{a.id}"


def test_a_driver_plays_cases_and_a_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    case = {
        "name": "busy",
        "steps": [
            {"as": "a", "call": "completions.create", "stream": True, "with": {"prompt": "a b"}},
            {"as": "b", "call": "completions.create", "with": {"prompt": {"of": "a.chunks.1.choices.0.text"}},
             "client": {"through": {"refuse": 2, "status": 429}}},
            {"as": "c", "call": "completions.create", "with": {"prompt": "bad"}},
        ],
        "expect": [["a.texts.0", "equals", "A B"], ["b.choices.0.text", "equals", " B"], ["b.tries", "equals", 3],
                   ["c.error.class", "equals", "BadRequestError"], ["c.error.status", "equals", 400]],
    }  # fmt: skip
    with listening(Pretended()) as url, busy_server(url) as busy:
        ready = prepare(case, FACTS, root=url, busy=busy.url)
        client = openai.OpenAI(base_url=f"{url}/v1")
        known = drive.play(client, ready)
        client.close()
        count_tries(ready, known, dict(busy.tries))
    assert judge(case, known) == []


def test_a_model_that_calls_functions_has_their_marks(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(caller(tmp_path / "caller"))
    assert "[TOOL_CALLS]" in tokenizer.vocabulary.control
