"""A trace of Mixtral's shape takes the bytes that it is said to take."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from octavo.analysis.store import DocumentRoutes
from tests.analysis.store.traces import parts_of, written

TOKENS, LAYERS = 131_072, 32


def test_routes_take_24_to_26_bytes_a_token_and_weights_at_most_32(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # First choices that repeat as in the paper's Table 5: from 14 % at the first layer to 28 % in the middle.
    stay_L = np.interp(np.arange(LAYERS), [0, 15, 31], [0.02, 0.18, 0.12])
    kept_TL = rng.random((TOKENS, LAYERS), dtype=np.float32) < stay_L
    came_from_TL = np.maximum.accumulate(np.where(kept_TL, 0, np.arange(TOKENS)[:, None]), axis=0)
    first_TL = np.take_along_axis(rng.integers(8, size=(TOKENS, LAYERS), dtype=np.uint8), came_from_TL, axis=0)
    second_TL = (first_TL + rng.integers(1, 8, size=first_TL.shape, dtype=np.uint8)) % 8
    weight_TL = 1 / (1 + np.exp(-np.abs(rng.normal(size=first_TL.shape).astype(np.float32))))
    given = DocumentRoutes(
        domain="x",
        name="a",
        expert_TLK=np.stack([first_TL, second_TL], axis=-1),
        weight_TLK=np.stack([weight_TL, 1 - weight_TL], axis=-1),
    )
    (part,) = parts_of(written(tmp_path / "x.route", [given]))
    group = pq.read_metadata(part).row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    size = {
        kind: sum(column.total_compressed_size for column in columns if column.path_in_schema[0] == kind) / TOKENS
        for kind in "rw"
    }
    assert 24 <= size["r"] <= 26
    assert size["w"] <= 32
