"""What follows from the layer before can be fetched ahead, and what does not cannot."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.prefetch import prefetch
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, manifest_of, random_choice, uniform


def value_of(rows: list[dict[str, Any]], result: str = "value", **keys: Any) -> Any:
    (found,) = (each for each in rows if all(each[name] == wanted for name, wanted in keys.items()))
    return found[result]


def copying(seed: int, num: int = 400, num_experts: int = 8, k: int = 2) -> Any:
    """Layer 1 follows layer 0 under other numbers, layer 2 nobody."""
    rng = np.random.default_rng(seed)
    first = random_choice(rng, (num,), num_experts, k)
    other = random_choice(rng, (num,), num_experts, k)
    return document(np.stack([first, (first + 3) % num_experts, other], axis=1).tolist(), name=str(seed))


COPY = MemoryTrace([copying(seed) for seed in range(8)])


def test_a_copied_route_is_fetched_whole() -> None:
    rows = prefetch(COPY)
    assert value_of(rows, layer=1, size=2) == 1.0
    assert value_of(rows, "null_uniform", layer=1, size=2) == 0.25
    assert value_of(rows, "null_marginal", layer=1, size=2) == pytest.approx(0.25, abs=0.03)


def test_an_independent_layer_is_fetched_by_chance() -> None:
    rows = prefetch(COPY)
    for size in (2, 4, 6):
        assert value_of(rows, layer=2, size=size) == pytest.approx(size / 8, abs=0.03)


def test_further_ahead_counts_layers() -> None:
    rows = prefetch(COPY, ahead=(1, 2), sizes=(2,))
    assert [(each["layer"], each["ahead"]) for each in rows] == [(1, 1), (2, 1), (2, 2)]


def test_nothing_is_learnt_from_the_documents_it_is_tried_on() -> None:
    # Each document has a route of its own, which the others do not know.
    trace = MemoryTrace([document([[(0, 1), (2, 3)]] * 20, name="a"), document([[(4, 5), (6, 7)]] * 20, name="b")])
    rows = prefetch(trace, sizes=(2,))
    assert value_of(rows) == 0.0
    alone = prefetch(MemoryTrace([document([[(0, 1), (2, 3)]] * 20)]), sizes=(2,))
    assert (value_of(alone), value_of(alone, "n")) == (None, 0)


def test_a_favourite_expert_is_known_without_the_route() -> None:
    trace = MemoryTrace([document([[(0, 1), (2, 3)]] * 20, name=name) for name in "ab"])
    row = prefetch(trace, sizes=(2,))[0]
    assert (row["value"], row["null_marginal"], row["n"]) == (1.0, 1.0, 80)


def test_many_experts_are_guessed_from_the_first_choice() -> None:
    documents = [copying(seed, num_experts=64, k=8, num=2000) for seed in range(2)]
    trace = MemoryTrace(documents, manifest_of(documents, num_experts=64))
    rows = prefetch(trace, sizes=(8,))
    assert 0.2 < value_of(rows, layer=1) < 0.4
    assert value_of(rows, layer=2) == pytest.approx(0.125, abs=0.01)


def test_intervals_come_from_documents() -> None:
    mixed = [*(copying(seed) for seed in range(6)), uniform(400, num_layers=3, seed=7, name="other")]
    row = prefetch(MemoryTrace(mixed), sizes=(2,), intervals=Intervals())[0]
    assert row["lo"] < row["value"] < row["hi"]


def test_bad_requests_are_refused() -> None:
    with pytest.raises(TraceError, match="want from 1 to 8"):
        prefetch(COPY, sizes=(9,))
    with pytest.raises(TraceError, match="layers ahead"):
        prefetch(COPY, ahead=(3,))
    with pytest.raises(TraceError, match="layers ahead"):
        prefetch(MemoryTrace([constant(4)]), ahead=(0,))
