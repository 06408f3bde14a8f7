"""Counts: the published figures, and the model's own parameters, part by part."""

from dataclasses import replace

import pytest
import torch

from octavo.config import ModelConfig, mini, mistral_7b, mixtral_8x7b, mixtral_8x22b
from octavo.model import Transformer
from octavo.parameters import (
    attention_flop,
    count,
    dense_of_equal_active,
    dense_of_equal_total,
    experts_read,
    memory,
)


@pytest.mark.parametrize(
    ("config", "total", "active"),
    [
        (mixtral_8x7b(), 46_702_792_704, 12_879_925_248),
        (mixtral_8x22b(), 140_620_634_112, 39_152_031_744),
        (mixtral_8x22b(vocab_size=32768), 140_630_071_296, 39_161_468_928),
        (mistral_7b(), 7_241_732_096, 7_241_732_096),
        (mistral_7b(version="v0.3"), 7_248_023_552, 7_248_023_552),
    ],
)
def test_published_models_have_their_published_counts(config: ModelConfig, total: int, active: int) -> None:
    assert (count(config).total, count(config).active) == (total, active)


@pytest.mark.parametrize(
    "config", [mixtral_8x7b(), mistral_7b(), mini(), mini(num_experts=0), replace(mini(), tie_embeddings=False)]
)
def test_every_part_is_what_the_model_holds(config: ModelConfig) -> None:
    with torch.device("meta"):
        model = Transformer(config)
    held: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = _part_of(name, config)
        held[part] = held.get(part, 0) + parameter.numel()
    assert {part.name: part.total for part in count(config).parts if part.total} == held


def _part_of(name: str, config: ModelConfig) -> str:
    if "norm" in name:
        return "norms"
    if "gate" in name:
        return "router"
    if "feed_forward" in name:
        return "experts" if config.is_sparse else "feed_forward"
    return {"tok_embeddings.weight": "embeddings", "output.weight": "head"}.get(name, "attention")


def test_one_expert_and_the_share_of_the_experts() -> None:
    experts = next(part for part in count(mixtral_8x7b()).parts if part.name == "experts")
    assert experts.total == 32 * 8 * 176_160_768
    assert round(100 * experts.total / count(mixtral_8x7b()).total, 2) == 96.56


def test_a_decoded_token_reads_25_5_gigabytes_of_bfloat16() -> None:
    assert round(2 * count(mixtral_8x7b()).read / 1e9, 1) == 25.5


def test_flop_is_twice_the_active_matrices() -> None:
    counted = count(mixtral_8x7b())
    without = sum(part.active for part in counted.parts if part.name in ("embeddings", "norms"))
    assert counted.flop == 2 * (counted.active - without)


def test_a_tied_head_holds_nothing_but_computes_all_the_same() -> None:
    tied = count(replace(mixtral_8x7b(), tie_embeddings=True))
    head = tied.parts[-1]
    assert (head.total, head.flop) == (0, 2 * 32000 * 4096)
    assert tied.total == count(mixtral_8x7b()).total - 32000 * 4096


def test_attention_to_a_context_stops_growing_at_the_window() -> None:
    assert attention_flop(mixtral_8x7b(), 10) == 10 * 4 * 32 * 4096
    assert attention_flop(mistral_7b(), 9999) == attention_flop(mistral_7b(), 4096)


def test_memory_of_weights_and_cache() -> None:
    needs = memory(mixtral_8x7b(), "bfloat16", context=1000, sequences=3)
    assert (needs.weights, needs.cache_per_token, needs.cache) == (93_405_585_408, 131_072, 3 * 131_072_000)
    assert memory(mistral_7b(), "float32", context=100_000).cache == 4096 * 262_144


def test_tokens_together_read_more_experts() -> None:
    assert [round(experts_read(mixtral_8x7b(), tokens), 2) for tokens in (1, 2, 4, 8, 16)] == [2, 3.5, 5.47, 7.2, 7.92]
    assert experts_read(mistral_7b(), 16) == 1


def test_dense_twins_differ_from_the_sparse_model_by_its_router_alone() -> None:
    config = mixtral_8x7b()
    router = 32 * 8 * 4096
    assert count(dense_of_equal_active(config)).total == count(config).active - router
    assert count(dense_of_equal_total(config)).total == count(config).total - router
    assert dense_of_equal_active(mistral_7b()) == mistral_7b()
