"""The operations of training are those of the matrices and of attention."""

from dataclasses import replace

import pytest
import torch

from octavo.config import mini, mixtral_8x7b
from octavo.training.flops import peak_flops, train_flops


def test_a_token_costs_six_operations_for_each_parameter_that_reads_it():
    config = mixtral_8x7b()
    active = 12_879_925_248
    norms = config.dim * (2 * config.num_layers + 1)
    embedding = config.vocab_size * config.dim
    assert train_flops(config, num_tokens=1, num_seen=0) == 6 * (active - norms - embedding)


def test_attention_adds_twelve_for_each_head_element_and_position_seen():
    config = mini()
    added = train_flops(config, num_tokens=5, num_seen=15) - train_flops(config, num_tokens=5, num_seen=0)
    assert added == 12 * config.num_layers * config.num_heads * config.head_dim * 15


def test_the_twins_cost_the_same_but_for_the_router():
    sparse, dense = mini(), mini(num_experts=0)
    router = 6 * sparse.num_layers * sparse.dim * sparse.num_experts
    assert train_flops(sparse, num_tokens=1, num_seen=0) - train_flops(dense, num_tokens=1, num_seen=0) == router
    assert train_flops(replace(dense, num_layers=4), num_tokens=1, num_seen=0) < train_flops(
        dense, num_tokens=1, num_seen=0
    )


@pytest.mark.parametrize(
    ("name", "peak"), [("NVIDIA H200", 989e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("Other", None)]
)
def test_the_peak_is_known_by_name(monkeypatch, name, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops(torch.device("cuda")) == peak
    assert peak_flops(torch.device("cpu")) is None
