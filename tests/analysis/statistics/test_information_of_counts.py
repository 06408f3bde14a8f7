"""Counts alone tell a router that reads tokens from one that knows the domain; the real Mixtral is mostly the first."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.statistics.information import conditional_entropy, entropy
from octavo.analysis.statistics.information_of_counts import fitted_XS, information_rows
from octavo.analysis.statistics.vocabulary_specialisation import members_SE, sets_with
from octavo.errors import TraceError
from tests.analysis.statistics.mixtral import LAYERS, mixtral_tables

TOKENS = np.minimum(np.random.default_rng(0).zipf(1.3, 20_000), 400) - 1


def counts_of(expert_TK: np.ndarray, domain_T: np.ndarray, num_experts: int = 8) -> np.ndarray:
    table = np.zeros((2, 1, 400, num_experts), np.int64)
    for expert_T in expert_TK.T:
        np.add.at(table, (domain_T, 0, TOKENS, expert_T), 1)
    return table


def measures(table: np.ndarray, **options: Any) -> dict[str, float]:
    return {each["measure"]: each["value"] for each in information_rows(table, layers=(0,), **{"k": 2, **options})}


DOMAIN = np.arange(len(TOKENS)) % 2


def test_a_pair_of_experts_for_each_id_is_told_by_the_id_up_to_the_toss_between_them() -> None:
    found = measures(counts_of(np.stack([TOKENS % 8, (TOKENS + 1) % 8], axis=1), DOMAIN))
    assert found["token"] == pytest.approx(found["entropy"] - 1, abs=0.001)
    assert found["domain-given-token"] == pytest.approx(0.0, abs=1e-9)


def test_a_pair_of_experts_for_each_domain_is_told_by_the_domain() -> None:
    table = counts_of(np.stack([DOMAIN * 2, DOMAIN * 2 + 1], axis=1), DOMAIN)
    found = measures(table)
    assert found["domain"] == pytest.approx(1.0, abs=0.001)
    assert found["domain-given-token"] == pytest.approx(conditional_entropy(table.sum(axis=0)[0]) - 1)
    assert abs(found["token"]) < 0.01


def test_pairs_drawn_by_chance_tell_nothing() -> None:
    expert_TK = np.random.default_rng(1).random((len(TOKENS), 8)).argsort(axis=1)[:, :2]
    found = measures(counts_of(expert_TK, DOMAIN))
    assert found["entropy"] == pytest.approx(3.0, abs=0.002)
    assert max(abs(found[name]) for name in ("token", "domain", "domain-given-token")) < 0.004


def test_skewed_pairs_drawn_by_chance_tell_nothing_either() -> None:
    taste = np.log([0.5, 0.2, 0.1, 0.05, 0.05, 0.05, 0.03, 0.02])
    gumbel = np.random.default_rng(2).gumbel(size=(len(TOKENS), 8))
    found = measures(counts_of((gumbel + taste).argsort(axis=1)[:, ::-1][:, :2], DOMAIN))
    assert max(abs(found[name]) for name in ("token", "domain", "domain-given-token")) < 0.006


def test_first_choices_have_no_toss() -> None:
    table = counts_of((TOKENS % 8)[:, None], DOMAIN)
    found = measures(table, choice="first")
    assert found["token"] == pytest.approx(entropy(table.sum(axis=(0, 1, 2))))
    assert information_rows(table, layers=(0,), k=2, choice="first")[0]["n"] == len(TOKENS)


def test_many_fits_agree_with_one() -> None:
    used_XE = np.array([[0.9, 0.3, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1], [0.25] * 8])
    fitted = fitted_XS(used_XE, members_SE(8, 2))
    for used_E, chance_S in zip(used_XE, fitted, strict=True):
        np.testing.assert_allclose(chance_S, sets_with(used_E, 2)[1], atol=2e-4)


def test_nothing_counted_has_no_value() -> None:
    rows = information_rows(np.zeros((2, 1, 5, 8), np.int64), layers=(3,), k=2)
    assert {(each["layer"], each["value"], each["n"]) for each in rows} == {(3, None, 0)}


def test_bad_counts_are_refused() -> None:
    with pytest.raises(TraceError, match="want domains, 2 layers"):
        information_rows(np.zeros((2, 1, 5, 8), np.int64), layers=(0, 1), k=2)
    with pytest.raises(TraceError, match="count first choices only"):
        information_rows(np.zeros((2, 1, 5, 64), np.int64), layers=(0,), k=8)


def test_the_real_mixtral_goes_by_the_token_five_times_as_much_as_by_the_domain() -> None:
    found = {
        (each["layer"], each["measure"]): each["value"]
        for each in information_rows(mixtral_tables(), layers=LAYERS, k=2)
    }
    token = {layer: found[layer, "token"] for layer in LAYERS}
    beyond = {layer: found[layer, "domain-given-token"] for layer in LAYERS}
    assert token == pytest.approx({0: 0.562, 7: 0.526, 15: 0.632}, abs=0.003)
    assert beyond == pytest.approx({0: 0.110, 7: 0.113, 15: 0.109}, abs=0.002)
    assert {layer: found[layer, "domain"] for layer in LAYERS} == pytest.approx(
        {0: 0.0031, 7: 0.0041, 15: 0.0091}, abs=1e-4
    )
