"""The recorder: routings become documents, with what nobody knows flagged."""

import numpy as np
import pytest
import torch

from octavo.analysis.chunk import Flag, Phase
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.recorder import Recorder, Rows, next_nll, rows_of, ties
from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError
from octavo.routing import route

BOS, END = 1, 2


def manifest(**fields: object) -> TraceManifest:
    known = {"num_experts": 4, "num_experts_per_tok": 2, "layers": (0, 1), "has_weights": True}
    return TraceManifest(**(known | fields))


def recorded(rows: Rows, tokens: list[int], *, num_prompt: int | None = None, **fields: object) -> DocumentRoutes:
    held: list[DocumentRoutes] = []
    recorder = Recorder(manifest(**fields), held.append, special_ids=frozenset({BOS, END}), bos_id=BOS)
    returned = recorder.record(rows, tokens, domain="d", name="n", number=7, num_prompt=num_prompt)
    assert held == [returned]
    return returned


def some_rows(num_tokens: int) -> Rows:
    generator = torch.Generator().manual_seed(0)
    routings = [route(torch.randn(num_tokens, 4, generator=generator), 2) for _ in range(2)]
    return rows_of(routings, logits=True)


def test_routings_of_layers_become_rows_token_by_token() -> None:
    routings = [route(torch.tensor([[0.0, 3.0, 2.0, 1.0]]), 2), route(torch.tensor([[5.0, 0.0, 0.0, 4.0]]), 2)]
    rows = rows_of(routings, logits=True)
    assert rows.expert_TLK.tolist() == [[[1, 2], [0, 3]]]
    assert rows.logits_TLE is not None and rows.logits_TLE[0, 1].tolist() == [5.0, 0.0, 0.0, 4.0]
    assert rows.weight_TLK is not None and rows.weight_TLK.sum(-1) == pytest.approx(np.ones((1, 2)))
    assert rows_of(routings).logits_TLE is None


def test_a_dense_forward_has_nothing_to_record() -> None:
    with pytest.raises(TraceError, match="no experts"):
        rows_of([])


def test_a_document_keeps_what_the_manifest_promises_and_nothing_else() -> None:
    document = recorded(some_rows(3), [BOS, 5, 6])
    assert document.weight_TLK is not None and document.logits_TLE is None and document.nll_T is None
    assert document.token_T is not None and document.token_T.tolist() == [BOS, 5, 6]
    assert document.document == 7
    assert recorded(some_rows(3), [BOS, 5, 6], has_tokens=False).token_T is None


def test_control_tokens_are_flagged() -> None:
    document = recorded(some_rows(4), [BOS, 5, END, 6])
    assert document.flag_T is not None
    assert document.flag_T.tolist() == [Flag.BOS | Flag.SPECIAL, 0, Flag.SPECIAL, 0]


def test_a_token_that_nobody_read_is_missing_and_has_no_expert_to_be_taken_for() -> None:
    rows = some_rows(3)
    rows.expert_TLK[2], rows.logits_TLE[2] = -1, 0.0  # type: ignore[index]
    document = recorded(rows, [4, 5, 6], num_prompt=1)
    assert document.flag_T is not None and document.flag_T.tolist() == [0, 0, Flag.MISSING]
    assert (document.expert_TLK[2] == 0).all()
    assert document.phase_T is not None
    assert document.phase_T.tolist() == [Phase.PROMPT, Phase.GENERATED, Phase.GENERATED]


def test_the_surprise_of_a_row_is_that_of_the_token_after_it() -> None:
    rows = some_rows(3)
    logprob_T = np.array([np.nan, -1.5, -0.25])
    told = Rows(expert_TLK=rows.expert_TLK, weight_TLK=rows.weight_TLK, logprob_T=logprob_T)
    document = recorded(told, [4, 5, 6], has_nll=True)
    assert document.nll_T is not None and document.nll_T[:2].tolist() == [1.5, 0.25] and np.isnan(document.nll_T[2])
    assert len(next_nll(np.array([np.nan]))) == 1


def test_equal_logits_are_a_tie_only_where_the_choice_falls() -> None:
    logits_TLE = np.array([[[3, 2, 1, 1]], [[3, 2, 2, 1]], [[3, 3, 2, 1]], [[4, 3, 2, 1]]], float)
    assert ties(logits_TLE, 2).tolist() == [False, True, True, False]
    assert ties(logits_TLE, 4).tolist() == [True, True, True, False]


def test_rows_that_do_not_fit_their_tokens_are_refused() -> None:
    with pytest.raises(TraceError, match=r"shape \(3, 2, 2\), want \(2, 2, 2\)"):
        recorded(some_rows(3), [4, 5])


@pytest.mark.parametrize("promise", ["has_weights", "has_nll", "has_predictions", "has_logits"])
def test_rows_without_a_promised_column_are_refused(promise: str) -> None:
    rows = Rows(expert_TLK=some_rows(2).expert_TLK)
    with pytest.raises(TraceError, match="which the manifest promises"):
        recorded(rows, [4, 5], **({"has_weights": False} | {promise: True}))
