"""Weights known from a document's number alone."""

import numpy as np

from octavo.analysis.accumulators.poisson import poisson_weights


def test_weights_are_spread_as_poissons_law_says() -> None:
    weight_RS = poisson_weights(np.arange(5000), "x", replicates=40, seed=0)
    assert abs(weight_RS.mean() - 1) < 0.01
    assert abs(weight_RS.var() - 1) < 0.02
    assert abs((weight_RS == 0).mean() - np.exp(-1)) < 0.005
    # Neither documents nor replicates know of each other.
    assert np.abs(np.corrcoef(weight_RS) - np.eye(40)).max() < 0.08


def test_a_document_weighs_the_same_in_whatever_company() -> None:
    together = poisson_weights(np.array([3, 9, 4_000_000_000]), "x", replicates=5, seed=7)
    alone = poisson_weights(np.array([9]), "x", replicates=5, seed=7)
    assert (together[:, 1:2] == alone).all()
    assert (poisson_weights(np.array([3, 9, 4_000_000_000]), "x", replicates=3, seed=7) == together[:3]).all()


def test_seed_and_domain_change_the_weights() -> None:
    numbers = np.arange(100)
    one = poisson_weights(numbers, "x", replicates=5, seed=0)
    assert (one != poisson_weights(numbers, "y", replicates=5, seed=0)).any()
    assert (one != poisson_weights(numbers, "x", replicates=5, seed=1)).any()
