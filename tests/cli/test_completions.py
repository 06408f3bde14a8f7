"""Parts of showing completions that the command itself does not make plain."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from octavo import LLM, SamplingParams
from octavo.api.outputs import Logprob
from octavo.cli.completions import Shown, logprob_table, spell_token, whole, write_stream
from octavo.cli.screen import open_screen

PARAMS = SamplingParams(temperature=0, max_tokens=12, routing=True, stop="zzz")


@pytest.fixture(scope="module")
def llm(folder: Path) -> LLM:
    return LLM(folder)


@pytest.mark.parametrize("shown", [Shown(), Shown(echo=True), Shown(experts=1), Shown(experts=1, prompt=False)])
def test_a_finished_output_looks_like_a_streamed_one(
    llm: LLM, shown: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    assert llm.tokenizer is not None
    ids = llm.tokenizer.encode("The lazy dog")
    write_stream(llm, ids, llm.stream("The lazy dog", PARAMS), screen=open_screen(), shown=shown)
    streamed = capsys.readouterr().out
    result = llm.generate("The lazy dog", PARAMS)[0]
    text = write_stream(llm, ids, [whole(result, 0)], screen=open_screen(), shown=shown)
    assert capsys.readouterr().out == streamed
    assert text == result.outputs[0].text


def test_a_token_is_spelled_in_one_line() -> None:
    assert [spell_token(text) for text in (" a\n", "\x1b", None)] == ["' a\\n'", "'\\x1b'", "?"]


def test_the_table_shows_the_chosen_token_and_the_likeliest() -> None:
    chosen, other = Logprob(-2.5, 3, " cat"), Logprob(-0.5, 1, " dog")
    console = Console(file=io.StringIO(), width=80)
    console.print(logprob_table([{7: chosen, 9: other}]))
    assert isinstance(console.file, io.StringIO)
    row = console.file.getvalue().splitlines()[1]
    assert row.split() == ["'", "cat'", "-2.500", "3", "'", "dog'", "-0.50"]
