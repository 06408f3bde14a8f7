"""A document that cannot be kept is refused with its name, its token and its layer."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from octavo.analysis.chunk import Flag
from octavo.analysis.store.encode import first_wrong, table_of
from octavo.errors import TraceError
from tests.analysis.synthetic import document, manifest_of

ROUTES = [[(3, 5), (0, 1)], [(5, 3), (1, 0)], [(3, 6), (7, 0)]]
WEIGHTS = np.array([[[0.5, 0.5], [1, 0]], [[0.75, 0.25], [0.6, 0.4]], [[0.9, 0.1], [0.55, 0.45]]], np.float32)


def test_a_document_becomes_rows() -> None:
    one = document(ROUTES, tokens=[7, 8, 9], nll_T=np.array([1, 2, np.nan]), weight_TLK=WEIGHTS)
    rows = table_of(one, 42, manifest_of([one], layers=(3, 15))).to_pylist()
    about = {"doc_id": 42, "pos": 0, "token_id": 7, "phase": 0, "flags": 0, "nll": 1.0}
    assert rows[0] == about | {"r3": 29, "r15": 1, "w3": 0, "w15": 200}
    assert rows[2]["nll"] is None
    assert [row["r15"] for row in rows] == [1, 8, 56]


def test_a_token_whose_routing_is_missing_has_no_route() -> None:
    one = document([(3, 5), (0, 0)], flags=[0, Flag.MISSING], weight_TLK=np.array([[[0.5, 0.5]], [[9, 9]]]))
    rows = table_of(one, 0, manifest_of([one])).to_pylist()
    assert [(row["r0"], row["w0"]) for row in rows] == [(29, 0), (None, None)]


@pytest.mark.parametrize(
    ("route", "found"),
    [((5, 5), r"\[5, 5\]"), ((3, 8), r"\[3, 8\]"), ((-1, 0), r"\[-1, 0\]"), ((300, 2), r"\[300, 2\]")],
)
def test_an_expert_that_stands_twice_or_is_none_is_named(route: tuple[int, int], found: str) -> None:
    expert_TLK = np.array([[(0, 1), (0, 1)], [(0, 1), route]])
    one = replace(document([[(0, 1), (0, 1)]] * 2), expert_TLK=expert_TLK)
    with pytest.raises(
        TraceError, match=f"token 1 has the experts {found} in layer 15, want 2 different ones of 0 to 7"
    ):
        table_of(one, 0, manifest_of([one], layers=(3, 15)))


def test_the_first_wrong_place_is_found_for_any_number_of_ranks() -> None:
    expert_LTK = np.array([[[0, 1, 2], [3, 4, 5]], [[0, 1, 2], [7, 4, 7]]])
    assert first_wrong(expert_LTK, 8) == (1, 1)
    assert first_wrong(expert_LTK[:1], 8) is None
    assert first_wrong(expert_LTK[:1], 5) == (0, 1)


@pytest.mark.parametrize("weights", [(0.3, 0.7), (0.9, 0.3), (0.5, 0.0), (np.nan, 0.5)])
def test_weights_that_the_first_does_not_say_are_refused(weights: tuple[float, float]) -> None:
    one = document([(3, 5)], weight_TLK=np.array([[weights]]))
    with pytest.raises(
        TraceError, match=r"token 0 has the weights .* in layer 0, want the larger first .*exact_weights"
    ):
        table_of(one, 0, manifest_of([one]))
    table_of(one, 0, manifest_of([one], exact_weights=True))


@pytest.mark.parametrize(("step", "largest"), [(0.1, "12.7"), (None, "65504")])
def test_a_logit_beyond_its_column_is_refused(step: float | None, largest: str) -> None:
    logits_TLE = np.zeros((1, 1, 8), np.float32)
    logits_TLE[0, 0, 3] = -70_000
    one = document([(3, 5)], logits_TLE=logits_TLE)
    with pytest.raises(TraceError, match=f"layer 0 is 70000, the column holds {largest} at most"):
        table_of(one, 0, manifest_of([one], logits_step=step))


@pytest.mark.parametrize(
    ("fields", "stated", "said"),
    [
        ({"weight_TLK": WEIGHTS}, {"has_weights": False}, "has weight_TLK, its manifest says has_weights=False"),
        ({}, {"has_nll": True}, "has no nll_T, its manifest says has_nll=True"),
        ({}, {"layers": (1, 2, 3)}, "has 2 layers of 2 ranks, the manifest has 3 of 2"),
        ({"logits_TLE": np.zeros((3, 2, 9))}, {}, "has logits for 9 experts, want 8"),
    ],
)
def test_a_document_is_what_the_manifest_promises(fields: dict[str, Any], stated: dict[str, Any], said: str) -> None:
    one = document(ROUTES, **fields)
    with pytest.raises(TraceError, match=f"document 'a' of domain 'x' {said}"):
        table_of(one, 0, manifest_of([one], **stated))


def test_logits_may_be_kept_for_some_documents_only() -> None:
    one = document(ROUTES)
    assert table_of(one, 0, manifest_of([one], has_logits=True))["z0"].null_count == 3
