"""A document that contradicts itself is refused by name before it reaches a disk."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError

ROUTES = np.zeros((3, 2, 1), np.uint8)


def test_it_counts_its_tokens() -> None:
    assert DocumentRoutes(domain="x", name="a", expert_TLK=ROUTES).num_tokens == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"domain": ""}, "want both"),
        ({"name": ""}, "want both"),
        ({"expert_TLK": np.zeros((3, 2), np.uint8)}, r"shape \(3, 2\), want \[tokens, layers, ranks\]"),
        ({"expert_TLK": np.zeros((0, 2, 1), np.uint8)}, "document 'a' of domain 'x' has no tokens"),
        ({"token_T": np.zeros(2, np.uint32)}, r"token_T has shape \(2,\), want \(3,\)"),
        ({"weight_TLK": np.zeros((3, 2, 2))}, r"weight_TLK has shape \(3, 2, 2\), want \(3, 2, 1\)"),
        ({"logits_TLE": np.zeros((3, 1, 8))}, r"logits_TLE has shape \(3, 1, 8\), want \(3, 2, 8\)"),
    ],
)
def test_what_disagrees_is_refused_by_name(fields: dict[str, Any], said: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("jaxtyping_packages"):
        pytest.skip("the shape hook speaks first")
    with pytest.raises(TraceError, match=said):
        DocumentRoutes(**({"domain": "x", "name": "a", "expert_TLK": ROUTES} | fields))
