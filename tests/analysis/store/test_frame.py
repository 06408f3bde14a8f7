"""A frame is what pandas, polars and Arrow read, wide or long."""

from pathlib import Path

import numpy as np
import polars
import pytest

from octavo.analysis.chunk import Flag
from octavo.analysis.store import RouteTrace
from octavo.errors import TraceError
from tests.analysis.store.traces import written
from tests.analysis.synthetic import document

ROUTES = [[(3, 5), (0, 1)], [(0, 0), (0, 0)]]


@pytest.fixture
def trace(tmp_path: Path) -> RouteTrace:
    weight_TLK = np.array([[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]], np.float32)
    given = [document(ROUTES, domain=name, flags=[0, Flag.MISSING], weight_TLK=weight_TLK) for name in ("b", "a")]
    return RouteTrace.open(written(tmp_path / "x.route", given))


def test_a_wide_frame_has_a_row_a_token(trace: RouteTrace) -> None:
    frame = trace.frame(weights=True)
    assert frame["domain"].to_pylist() == ["a", "a", "b", "b"]
    assert frame.slice(0, 1).to_pylist() == [
        {
            "doc_id": 1,
            "domain": "a",
            "pos": 0,
            "token_id": 0,
            "phase": 0,
            "flags": 0,
            **{"expert_0_0": 3, "expert_0_1": 5, "expert_1_0": 0, "expert_1_1": 1},
            **{"weight_0_0": 0.5, "weight_0_1": 0.5, "weight_1_0": 1.0, "weight_1_1": 0.0},
        }
    ]
    assert frame["expert_1_0"].to_pylist() == [0, None, 0, None]
    assert frame["weight_1_0"].to_pylist() == [1.0, None, 1.0, None]


def test_a_long_frame_has_a_row_for_each_token_layer_and_rank(trace: RouteTrace) -> None:
    rows = trace.frame(domains=["b"], long=True, weights=True).select(["pos", "layer", "rank", "expert", "weight"])
    assert [tuple(row.values()) for row in rows.slice(0, 5).to_pylist()] == [
        (0, 0, 0, 3, 0.5),
        (0, 0, 1, 5, 0.5),
        (0, 1, 0, 0, 1.0),
        (0, 1, 1, 1, 0.0),
        (1, 0, 0, None, None),
    ]


def test_layers_and_ranks_are_those_that_were_asked_for(trace: RouteTrace) -> None:
    assert trace.frame(layers=[1], ranks=[1]).column_names[-1] == "expert_1_1"
    assert trace.frame(layers=[1], ranks=[1], long=True)["expert"].to_pylist() == [1, None] * 2
    with pytest.raises(TraceError, match=r"the ranks \[2\] were asked for: want some of \[0, 1\], 0 the first choice"):
        trace.frame(ranks=[2])
    with pytest.raises(TraceError, match="ask for nll and predictions in a wide one"):
        trace.frame(long=True, nll=True)


def test_pandas_and_polars_read_it(trace: RouteTrace) -> None:
    frame = trace.frame(layers=[0], ranks=[0], long=True)
    counted = frame.to_pandas().groupby("domain", observed=True)["expert"].count()
    assert counted.to_dict() == {"a": 1, "b": 1}
    by_domain = polars.from_arrow(frame)
    assert isinstance(by_domain, polars.DataFrame)
    assert by_domain.group_by("domain").len().sort("domain")["len"].to_list() == [2, 2]
