"""The counts of the real Mixtral-8x7B that OLMoE's authors published give the figures that are known of them.

tests/golden/mixtral-8x7b-expert-counts.json says where they are from: allenai/OLMoE at 357454f (Apache-2.0).
"""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.statistics import balance, nulls
from octavo.analysis.statistics.assignment_share import shares
from octavo.analysis.statistics.distances import divergence

PUBLISHED = json.loads(
    (Path(__file__).parents[2] / "golden" / "mixtral-8x7b-expert-counts.json").read_text(encoding="utf-8")
)
DOMAINS = ("arxiv", "book", "c4", "github", "wikipedia")


def counts(domain: str, kind: str = "assignments") -> np.ndarray:
    """Counts by layer (0, 7, 15) and expert."""
    return np.array(PUBLISHED["counts"][domain][kind])


def test_shares_of_a_layer() -> None:
    wanted = [26.7, 24.9, 25.2, 24.2, 21.3, 31.7, 21.4, 24.6]
    assert (200 * shares(counts("arxiv"))[0]).tolist() == pytest.approx(wanted, abs=0.06)
    wanted = [13.1, 15.8, 14.5, 11.7, 14.7, 10.6, 13.4, 6.0]
    assert (100 * shares(counts("github", "first_choice"))[0]).tolist() == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize(
    ("layer", "wanted"), [(0, [13.27, 14.06, 13.39, 13.17, 13.25]), (2, [13.41, 13.82, 12.94, 13.74, 13.04])]
)
def test_the_chance_that_two_first_choices_agree_is_not_one_in_eight(layer: int, wanted: list[float]) -> None:
    found = [100 * nulls.first_marginal(counts(domain, "first_choice")[layer]) for domain in DOMAINS]
    assert found == pytest.approx(wanted, abs=0.006)


def test_the_busiest_expert_of_layer_15() -> None:
    found = [float(balance.max_violation(counts(domain)[2])) for domain in DOMAINS]
    assert min(found) == pytest.approx(0.12, abs=0.006)
    assert max(found) == pytest.approx(0.33, abs=0.006)


@pytest.mark.parametrize(
    ("pair", "wanted"),
    [(("arxiv", "github"), [0.00056, 0.0026, 0.0054]), (("book", "github"), [0.0033, 0.0050, 0.0136])],
)
def test_domains_are_close_and_less_so_in_later_layers(pair: tuple[str, str], wanted: list[float]) -> None:
    found = divergence(*(counts(domain) for domain in pair))
    assert found.tolist() == pytest.approx(wanted, rel=0.02)


def test_each_token_has_one_first_choice() -> None:
    for domain, layer in itertools.product(DOMAINS, range(3)):
        assert counts(domain, "first_choice")[layer].sum() == 208_896
        assert counts(domain)[layer].sum() == 2 * 208_896
