"""Which tables a trace can fill."""

import pytest

from octavo.analysis.accumulators.contents import Contents
from octavo.analysis.manifest import TraceManifest
from octavo.errors import TraceError

MIXTRAL = TraceManifest(num_experts=8, num_experts_per_tok=2, layers=tuple(range(32)), vocab_size=32000)
MANY = TraceManifest(num_experts=64, num_experts_per_tok=8, layers=tuple(range(16)), vocab_size=50304)


def test_mixtrals_tables_have_their_published_sizes() -> None:
    shapes = Contents().shapes(MIXTRAL, MIXTRAL.layers)
    assert shapes["pair"] == (32, 64, 64)  # of 8 bytes each: ten domains take 10.5 MB
    assert shapes["layer_pair"] == (31, 64, 64)
    assert Contents().shared_shapes(MIXTRAL, MIXTRAL.layers) == {"vocabulary": (32, 32000, 2, 8)}


def test_many_experts_keep_only_what_fits() -> None:
    shapes = Contents().shapes(MANY, MANY.layers)
    assert shapes["together"] == (16, 64, 64)
    assert not {"code", "pair", "layer_pair", "repeat_code"} & set(shapes)
    assert Contents().shared_shapes(MANY, MANY.layers) == {}


def test_columns_that_the_trace_lacks_have_no_tables() -> None:
    assert not {"weight", "margin", "probability"} & set(Contents().shapes(MIXTRAL, MIXTRAL.layers))


@pytest.mark.parametrize("wrong", [{"lags": (0,)}, {"lags": (2, 1)}, {"lags": (65,)}, {"replicates": -1}])
def test_what_cannot_be_kept_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TraceError, match="want"):
        Contents(**wrong)  # type: ignore[arg-type]
