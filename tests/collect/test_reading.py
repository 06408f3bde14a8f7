"""Reading: a batch goes through the model once, and all or some of it is recorded."""

from pathlib import Path

import numpy as np
import pytest
import torch

from octavo.analysis.recorder import Recorder
from octavo.analysis.store import DocumentRoutes
from octavo.api.llm import LLM
from octavo.collect.facts import Columns, manifest_of
from octavo.collect.reading import read_batch, read_params
from octavo.collect.windows import Limits, Window
from octavo.errors import OctavoError
from tests.collect.conftest import open_llm


def windows(*lengths: int) -> list[Window]:
    generator = torch.Generator().manual_seed(0)
    ids = [tuple(torch.randint(5, 300, (length,), generator=generator).tolist()) for length in lengths]
    return [Window(number=n, domain="d", name=f"n{n}", source="s", token_ids=each) for n, each in enumerate(ids)]


def recorder(llm: LLM, folder: Path, held: list[DocumentRoutes], **columns: bool) -> Recorder:
    limits = Limits(context=64)
    return Recorder(manifest_of(llm, model="m", folder=folder, columns=Columns(**columns), limits=limits), held.append)


def test_each_window_has_the_routes_of_its_score(llm: LLM, folder: Path) -> None:
    held: list[DocumentRoutes] = []
    batch = windows(9, 1, 20)
    assert list(read_batch(llm, batch, recorder(llm, folder, held, nll=True))) == batch
    for window, document in zip(batch, held, strict=True):
        (score,) = llm.score({"prompt_token_ids": window.token_ids}, routing=True)
        assert np.array_equal(document.expert_TLK, score.routed_experts)  # type: ignore[arg-type]
        assert document.weight_TLK == pytest.approx(score.routed_weights, abs=1e-5)
        assert (document.name, document.document) == (window.name, window.number)


def test_only_what_is_to_be_kept_is_recorded_but_all_is_read(llm: LLM, folder: Path) -> None:
    whole: list[DocumentRoutes] = []
    part: list[DocumentRoutes] = []
    batch = windows(9, 7, 20)
    list(read_batch(llm, batch, recorder(llm, folder, whole)))
    kept = list(read_batch(llm, batch, recorder(llm, folder, part), kept={1}))
    assert [window.number for window in kept] == [1]
    assert np.array_equal(part[0].weight_TLK, whole[1].weight_TLK)  # type: ignore[arg-type]


def test_every_column_can_be_had_at_once(llm: LLM, folder: Path) -> None:
    held: list[DocumentRoutes] = []
    columns = {"logits": True, "nll": True, "predictions": True}
    list(read_batch(llm, windows(9, 4), recorder(llm, folder, held, **columns)))
    first = held[0]
    assert first.logits_TLE is not None and first.nll_T is not None and first.prediction_T is not None
    assert first.logits_TLE.shape == (9, 3, 4)
    assert np.array_equal(first.logits_TLE.argmax(-1), first.expert_TLK[..., 0])


def test_a_token_is_written_only_where_the_last_prediction_is_wanted(llm: LLM, folder: Path) -> None:
    plain = read_params(recorder(llm, folder, []).manifest)
    assert (plain.max_tokens, plain.prompt_logprobs, plain.router_logits) == (0, None, False)
    assert read_params(recorder(llm, folder, [], nll=True).manifest).prompt_logprobs == 0
    assert read_params(recorder(llm, folder, [], predictions=True).manifest).max_tokens == 1


def test_logits_that_are_no_numbers_end_the_run(folder: Path) -> None:
    llm = open_llm(folder)
    held: list[DocumentRoutes] = []
    taker = recorder(llm, folder, held, nll=True)
    llm.engine.runner.model.norm.weight.data.fill_(float("nan"))
    with pytest.raises(OctavoError, match="n0: the model's logits are not finite"):
        list(read_batch(llm, windows(9), taker))
    assert held == []
