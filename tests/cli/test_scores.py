"""Long texts are read in windows, each token counted once and with enough before it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo import LLM
from octavo.cli.prompts import NamedText
from octavo.cli.scores import score_texts, windows


@given(st.integers(2, 5000), st.integers(2, 300))
def test_every_token_counts_once_with_half_a_context_before_it(length: int, context: int) -> None:
    counted: list[int] = []
    for start, stop, fresh in windows(length, context):
        assert stop - start <= context
        assert fresh == 0 or fresh - start >= context // 2
        counted += range(fresh, stop)
    assert counted == list(range(length))


def test_a_text_that_fits_is_read_at_once() -> None:
    assert windows(256, 256) == [(0, 256, 0)]


def test_a_long_text_has_a_row_and_a_logprob_for_every_token(folder: Path) -> None:
    llm = LLM(folder, max_model_len=16)
    text = "The quick brown fox jumps over the lazy dog. " * 5
    (score,) = score_texts(llm, [NamedText("text", text)], routing=True)
    assert score.logprobs[0] is None
    assert all(logprob is not None for logprob in score.logprobs[1:])
    assert score.routed_experts is not None
    assert score.routed_experts.shape == (len(score.token_ids), 3, 2)
    assert (score.routed_experts >= 0).all()
    assert len(score.token_ids) > 32


def test_windows_agree_with_the_whole_where_they_see_it_all(folder: Path) -> None:
    text = NamedText("text", "The quick brown fox jumps over the lazy dog.")
    (whole,) = score_texts(LLM(folder), [text], routing=False)
    (windowed,) = score_texts(LLM(folder, max_model_len=len(whole.token_ids) - 1), [text], routing=False)
    first = len(whole.token_ids) - 1
    assert np.allclose(whole.logprobs[1:first], windowed.logprobs[1:first], atol=1e-5)


def test_perplexity_and_bits_are_of_the_same_surprise(folder: Path) -> None:
    (score,) = score_texts(LLM(folder), [NamedText("text", "L'homme qui rit é")], routing=False)
    assert score.num_bytes == 18
    assert score.bits_per_byte * score.num_bytes == pytest.approx(np.log2(score.perplexity) * score.scored)
