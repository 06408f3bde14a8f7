"""The least that a device takes: the published figures of Mixtral-8x7B on an H200 come out of its shape."""

from dataclasses import replace

import pytest

from octavo.bench.roofline import Cost, Rates, Widths, layer_cost, step_cost
from octavo.config import mini, mistral_7b, mixtral_8x7b
from octavo.parameters import attention_flop, count

H200 = Rates(read=4.6e12, copy=4.28e12, matrix=790e12)
BF16 = Widths.of("bfloat16")


@pytest.mark.parametrize(
    ("batch", "context", "touched", "milliseconds"),
    [
        (1, 512, 2.0, 5.56),
        (8, 512, 7.199, 18.40),
        (64, 512, 8.0, 21.18),
        (256, 512, 8.0, 23.98),
        (1, 4096, 2.0, 5.66),
        (64, 4096, 8.0, 27.72),
    ],
)
def test_a_step_of_mixtral_takes_what_its_bytes_take(
    batch: int, context: int, touched: float, milliseconds: float
) -> None:
    cost = step_cost(mixtral_8x7b(), BF16, [(context - 1, 1)] * batch, heads=batch, touched=touched)
    assert round(1e3 * cost.seconds(H200), 2) == milliseconds
    assert cost.bytes / H200.read == cost.seconds(H200)


def test_a_prompt_takes_what_its_operations_take() -> None:
    cost = step_cost(mixtral_8x7b(), BF16, [(0, 2048)] * 8, heads=8, touched=8.0)
    assert 8 * 2048 / cost.seconds(H200) == pytest.approx(30_650, rel=1e-3)
    assert cost.flop / H200.matrix == cost.seconds(H200)


def test_one_token_costs_the_operations_that_are_counted_of_it() -> None:
    for config in (mixtral_8x7b(), mistral_7b(), mini()):
        cost = step_cost(config, BF16, [(99, 1)], heads=1, touched=2.0 if config.is_sparse else None)
        assert cost.flop == count(config).flop + attention_flop(config, 100)
        assert cost.bytes == pytest.approx(
            2 * count(config).read + 100 * 4 * config.num_layers * config.num_kv_heads * config.head_dim
        )


def test_a_window_bounds_what_is_read_and_seen() -> None:
    config = replace(mini(), sliding_window=8)
    near, far = (step_cost(config, BF16, [(start, 1)], heads=1, touched=2.0) for start in (7, 700))
    assert near == far
    whole = step_cost(config, BF16, [(0, 10)], heads=1, touched=2.0)
    one_by_one = [step_cost(config, BF16, [(start, 1)], heads=0, touched=2.0) for start in range(10)]
    assert whole.flop - count(config).parts[-1].flop == sum(each.flop for each in one_by_one)


@pytest.mark.parametrize(
    ("tokens", "touched", "microseconds"), [(1, 2, 153), (8, 8, 613), (2048, 8, 1827), (16384, 8, 14615)]
)
def test_a_layer_takes_what_the_larger_of_both_takes(tokens: int, touched: float, microseconds: int) -> None:
    assert round(1e6 * layer_cost(mixtral_8x7b(), BF16, tokens, touched=touched).seconds(H200)) == microseconds


def test_weights_kept_in_half_as_many_bytes_are_read_in_half_the_time() -> None:
    costs = [step_cost(mini(), Widths(weights=w, cache=0), [(0, 1)], heads=1, touched=2.0) for w in (4, 2)]
    assert costs[0].bytes == 2 * costs[1].bytes
    assert Cost(bytes=1.0, flop=0.0).seconds(H200) == 1 / 4.6e12
