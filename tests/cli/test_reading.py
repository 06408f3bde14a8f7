"""Tokens are shown with the expert that read them, in order, and counted."""

from typing import cast

import numpy as np
import pytest
from rich.cells import cell_len

from octavo.api.outputs import CompletionDelta
from octavo.cli.palette import choose_ink
from octavo.cli.reading import Reading, check_layer, legend
from octavo.cli.screen import Screen, open_screen
from octavo.errors import RequestError
from octavo.tokenizer import StreamDecoder

WORDS = {5: " cat", 6: " sat", 7: "é", 8: "�"}


class Decoder:
    """Spells tokens by a table; 20 and 21 are the two halves of one character."""

    def push(self, token: int) -> str:
        return {20: "", 21: "é"}.get(token, WORDS.get(token, ""))


def reading_of(*, layer: int = 1, num_layers: int = 2, num_experts: int = 4) -> Reading:
    screen = Screen(console=open_screen().console, colours=None, width=None, unicode=True)
    decoder = cast(StreamDecoder, Decoder())
    return Reading(choose_ink(screen, num_experts), layer=layer, num_layers=num_layers, decoder=decoder)


def rows(*first_choices: tuple[int, int]) -> np.ndarray:
    """[T, 2 layers, 2] rows with these first choices in the two layers."""
    return np.array([[[first, -1], [second, -1]] for first, second in first_choices], dtype=np.int16)


def delta(
    text: str = "",
    *tokens: int,
    read: np.ndarray | None = None,
    prompt: np.ndarray | None = None,
    finish: str | None = None,
) -> CompletionDelta:
    return CompletionDelta(
        request_id="0",
        index=0,
        text=text,
        token_ids=list(tokens),
        logprobs=[],
        finish_reason=finish,
        stop_reason=None,
        prompt_logprobs=[],
        routed_experts=read,
        prompt_routed_experts=prompt,
    )


NOBODY = rows((-1, -1))


def test_a_streamed_text_shows_each_token_with_its_own_expert(capsys: pytest.CaptureFixture[str]) -> None:
    reading = reading_of()
    reading.add(["<s>", "The"], prompt=True)
    reading.take(delta(" cat", 5, prompt=rows((0, 3), (0, 2))))
    reading.take(delta(" sat", 6, read=rows((0, 1)), finish="length"))
    reading.take(delta(read=NOBODY))
    reading.close()
    assert capsys.readouterr().out == "<s>₃The₂ cat₁ sat\n"
    assert reading.count_LE.tolist() == [[3, 0, 0, 0], [0, 1, 1, 1]]


def test_a_whole_output_at_once_is_shown_token_by_token(capsys: pytest.CaptureFixture[str]) -> None:
    reading = reading_of()
    reading.take(delta(" cat saté", 5, 6, 20, 21, read=rows((0, 1), (0, 2), (0, 3), (0, 0)), finish="stop"))
    reading.close()
    assert capsys.readouterr().out == " cat₁ sat₂₃é₀\n"


def test_text_that_was_held_back_finds_its_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    reading = reading_of()
    reading.take(delta("", 5))
    reading.take(delta("", 6, read=rows((0, 0))))
    assert capsys.readouterr().out == ""
    reading.take(delta(" cat sat", 7, read=rows((1, 1))))
    reading.take(delta("é", read=rows((2, 2)), finish="stop"))
    reading.close()
    assert capsys.readouterr().out == " cat₀ sat₁é₂\n"


def test_a_stop_string_cuts_the_text_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    reading = reading_of()
    reading.take(delta(" c", 5, 6, read=rows((0, 1), (-1, -1)), finish="stop"))
    reading.close()
    assert capsys.readouterr().out == " c₁\n"


def test_half_a_character_at_the_end_is_shown_with_the_last_token(capsys: pytest.CaptureFixture[str]) -> None:
    reading = reading_of()
    reading.take(delta(" cat�", 5, 20, read=rows((0, 1), (-1, -1)), finish="length"))
    reading.close()
    assert capsys.readouterr().out == " cat₁�\n"


def test_the_prompt_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    reading = reading_of()
    reading.take(delta(" cat", 5, prompt=rows((0, 3), (0, 2))), prompt=False)
    reading.take(delta(read=rows((2, 2))))
    reading.close()
    assert capsys.readouterr().out == " cat₂\n"


def test_tokens_that_nobody_read_are_shown_and_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    reading = reading_of()
    reading.add(["cut", " off"])
    reading.close()
    assert capsys.readouterr().out == "cut off\n"
    assert reading.count_LE.sum() == 0


@pytest.mark.parametrize("layer", [-1, 2, 10**9])
def test_a_layer_that_is_not_there_is_refused(layer: int) -> None:
    with pytest.raises(RequestError, match=rf"--experts is {layer}, but the model's layers are 0 to 1"):
        check_layer(layer, num_layers=2, num_experts=4)


def test_a_dense_model_has_nobody_to_show() -> None:
    with pytest.raises(RequestError, match="dense"):
        check_layer(0, num_layers=2, num_experts=0)


def test_the_legend_says_how_much_each_read() -> None:
    ink = reading_of().ink
    assert legend(ink, [1, 0, 3, 4], layer=1) == (
        "layer 1, first choice of 8 tokens:\n0  12%  1   0%  2  38%  3  50%\n"
    )


def test_a_legend_of_nothing_is_still_one() -> None:
    assert "first choice of 0 tokens" in legend(reading_of().ink, [0, 0, 0, 0], layer=0)


def test_a_legend_of_many_experts_keeps_to_the_width() -> None:
    screen = Screen(console=open_screen().console, colours=None, width=40, unicode=True)
    lines = legend(choose_ink(screen, 64), [1] * 64, layer=0).splitlines()
    assert len(lines) > 8
    assert max(map(cell_len, lines)) <= 40
