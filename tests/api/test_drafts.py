"""What the engine says step by step becomes a result, and what a stop string ends, the engine is told to drop."""

from octavo.api.drafts import RequestDraft
from octavo.config import mini
from octavo.engine.params import SamplingParams
from octavo.engine.request import Progress, Request, TokenLogprobs
from octavo.tokenizer import StreamDecoder, Vocabulary

LETTERS = Vocabulary(
    tokens=tuple("abcdef"), pieces=tuple(letter.encode() for letter in "abcdef"), control={}, control_ids=frozenset(),
    bos_id=None, eos_id=None, unk_id=None, leading_space=False, byte_pieces=False,
)  # fmt: skip


def draft(**params: object) -> RequestDraft:
    request = Request(request_id="7", prompt_token_ids=(1, 2), params=SamplingParams(**params))  # type: ignore[arg-type]
    return RequestDraft(
        request, mini(), prompt=None, spell=lambda token: "abcdef"[token], decoder=lambda: StreamDecoder(LETTERS)
    )


def said(token: int, **more: object) -> Progress:
    return Progress(request_id="7", index=0, token_id=token, **more)  # type: ignore[arg-type]


def test_a_stop_string_ends_the_output_and_the_engine_is_told() -> None:
    one = draft(stop="cd")
    assert [one.take(said(token)) for token in (0, 2, 3)] == [False, False, True]
    output = one.result().outputs[0]
    assert (output.text, output.finish_reason, output.stop_reason) == ("a", "stop", "cd")
    assert output.token_ids == [0, 2, 3]


def test_the_engine_is_not_told_of_an_end_that_it_has_said_itself() -> None:
    one = draft(stop="cd")
    one.take(said(2))
    assert not one.take(said(3, finish_reason="length"))
    assert one.result().outputs[0].finish_reason == "stop"


def test_the_position_s_own_token_is_named_first_and_once() -> None:
    one = draft(logprobs=2)
    one.take(said(4, logprobs=TokenLogprobs((4, 0, 4), (-1.0, -0.5, -1.0), 2)))
    one.take(said(5, logprobs=TokenLogprobs((5, 0, 1), (-9.0, -0.5, -1.0), 6), finish_reason="length"))
    first, second = one.result().outputs[0].logprobs or []
    assert {token: (one.rank, one.decoded_token) for token, one in first.items()} == {4: (2, "e"), 0: (1, "a")}
    assert {token: one.rank for token, one in second.items()} == {5: 6, 0: 1, 1: 2}
    assert one.result().outputs[0].cumulative_logprob == -10.0


def test_without_detokenizing_there_is_no_text() -> None:
    one = draft(detokenize=False)
    one.take(said(4, finish_reason="length"))
    assert one.result().outputs[0].text == ""
    assert one.finished


def test_each_thing_is_told_once() -> None:
    one = draft(logprobs=0, prompt_logprobs=0)
    one.take(said(1, prompt_logprobs=(TokenLogprobs((2,), (-3.0,), 5),), logprobs=TokenLogprobs((1,), (-1.0,), 1)))
    (first,) = one.deltas()
    assert (first.text, first.token_ids, len(first.logprobs), first.prompt_logprobs[0]) == ("b", [1], 1, None)
    assert len(first.prompt_logprobs) == 2
    assert one.deltas() == []
    one.take(said(2, finish_reason="length", logprobs=TokenLogprobs((2,), (-1.0,), 1)))
    (second,) = one.deltas()
    assert (second.text, second.token_ids, second.prompt_logprobs, second.finish_reason) == ("c", [2], [], "length")
