"""Results of an LLM, scored, generated or streamed, recorded as the documents that they are."""

import numpy as np
import pytest

from octavo.analysis.chunk import Flag, Phase
from octavo.analysis.recorder import Recorder
from octavo.analysis.store import DocumentRoutes
from octavo.api.llm import LLM
from octavo.collect.facts import Columns, manifest_of
from octavo.collect.results import record_deltas, record_request, record_score, scored_rows
from octavo.collect.windows import Limits
from octavo.engine.params import SamplingParams
from octavo.errors import TraceError
from tests.collect.conftest import PROSE


def recorder(llm: LLM, held: list[DocumentRoutes], **columns: bool) -> Recorder:
    assert llm.tokenizer is not None
    folder = llm.tokenizer.path.parent
    manifest = manifest_of(llm, model="m", folder=folder, columns=Columns(**columns), limits=Limits(context=64))
    return Recorder(manifest, held.append, special_ids=llm.tokenizer.special_ids, bos_id=llm.tokenizer.bos_id)


def same(one: DocumentRoutes, other: DocumentRoutes) -> bool:
    fields = ("expert_TLK", "weight_TLK", "token_T", "phase_T", "flag_T")
    return all(np.array_equal(getattr(one, field), getattr(other, field)) for field in fields)


def test_a_score_is_a_document_with_the_surprise_of_each_next_token(llm: LLM) -> None:
    held: list[DocumentRoutes] = []
    (score,) = llm.score(PROSE[0], routing=True)
    record_score(recorder(llm, held, nll=True), score, domain="d", name="n")
    (document,) = held
    assert document.token_T is not None and document.token_T.tolist() == score.token_ids
    assert np.array_equal(document.expert_TLK, score.routed_experts)  # type: ignore[arg-type]
    assert document.nll_T is not None
    assert document.nll_T[:-1] == pytest.approx([-x for x in score.logprobs[1:] if x is not None])
    with pytest.raises(TraceError, match="without its routing"):
        record_score(recorder(llm, held), llm.score(PROSE[0])[0], domain="d", name="n")


def test_an_output_follows_its_prompt_and_nobody_has_read_its_last_token(llm: LLM) -> None:
    held: list[DocumentRoutes] = []
    params = SamplingParams(max_tokens=5, n=2, seed=1, routing=True, router_logits=True, ignore_eos=True)
    (output,) = llm.generate("The fox", params)
    record_request(recorder(llm, held, logits=True), output, domain="d", name="n")
    assert [document.name for document in held] == ["n#0", "n#1"]
    for document, completion in zip(held, output.outputs, strict=True):
        assert document.token_T is not None and document.phase_T is not None and document.flag_T is not None
        assert document.token_T.tolist() == [*output.prompt_token_ids, *completion.token_ids]
        assert (document.phase_T == Phase.GENERATED).sum() == 5
        assert [bool(flag & Flag.MISSING) for flag in document.flag_T] == [False] * (document.num_tokens - 1) + [True]


def test_a_stream_is_recorded_like_the_whole(llm: LLM) -> None:
    whole: list[DocumentRoutes] = []
    streamed: list[DocumentRoutes] = []
    params = SamplingParams(max_tokens=6, temperature=0.0, routing=True, ignore_eos=True)
    (output,) = llm.generate("The fox", params)
    record_request(recorder(llm, whole), output, domain="d", name="n")
    deltas = list(llm.stream("The fox", params))
    record_deltas(recorder(llm, streamed), output.prompt_token_ids, deltas, domain="d", name="n")
    assert same(whole[0], streamed[0])
    assert streamed[0].name == "n#0"


def test_what_was_read_without_routing_is_refused(llm: LLM) -> None:
    (output,) = llm.generate("The fox", SamplingParams(max_tokens=2))
    with pytest.raises(TraceError, match="routing=True"):
        record_request(recorder(llm, []), output, domain="d", name="n")


def test_a_prediction_is_the_token_of_the_largest_logit_after_each(llm: LLM) -> None:
    params = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=1, routing=True, ignore_eos=True)
    (output,) = llm.generate("The quick brown", params)
    rows = scored_rows(output, predictions=True)
    for place in range(1, len(output.prompt_token_ids) + 1):
        ids = output.prompt_token_ids[:place]
        (after,) = llm.generate(
            {"prompt_token_ids": ids}, SamplingParams(max_tokens=1, temperature=0.0, ignore_eos=True)
        )
        assert rows.prediction_T is not None and rows.prediction_T[place - 1] == after.outputs[0].token_ids[0]
    assert len(rows.expert_TLK) == len(output.prompt_token_ids)
    assert scored_rows(output, predictions=False).prediction_T is None
