"""What a chunk lacks is said, and nothing is counted."""

from dataclasses import replace

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators
from octavo.errors import TraceError
from tests.analysis.synthetic import chunk_of, manifest_of, uniform

DOCUMENT = uniform(10)
MANIFEST = replace(manifest_of([DOCUMENT]), vocab_size=200)
CHUNK = chunk_of([DOCUMENT], MANIFEST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token_T": None}, "without token ids"),
        ({"token_T": np.full(10, 200, np.uint32)}, "token id 200 in a chunk: want ids below 200"),
        ({"code_LT": None}, "without route codes"),
    ],
)
def test_a_chunk_that_lacks_something_is_refused_whole(change: dict[str, object], message: str) -> None:
    counts = Accumulators(manifest=MANIFEST)
    with pytest.raises(TraceError, match=message):
        counts.add(replace(CHUNK, **change))  # type: ignore[arg-type]
    assert counts.num_tokens == 0
    assert counts.documents == {}
    counts.add(CHUNK)
    assert counts.num_tokens == 10


def test_few_and_many_tokens_are_counted_alike() -> None:
    long = uniform(3000, num_layers=2, vocabulary=30)
    manifest = replace(manifest_of([long]), vocab_size=30)
    chunk = chunk_of([long], manifest)
    whole = Accumulators(manifest=manifest)
    whole.add(chunk)
    pieces = Accumulators(manifest=manifest)
    for number in range(300):
        rows = slice(10 * number, 10 * number + 10)
        piece = replace(long, expert_TLK=long.expert_TLK[rows], token_T=long.token_T[rows], flag_T=None)  # type: ignore[index]
        pieces.add(chunk_of([piece], manifest, numbers=[number]))
    assert (whole.table("vocabulary") == pieces.table("vocabulary")).all()
    assert whole.table("vocabulary").sum() == 2 * 2 * 3000
