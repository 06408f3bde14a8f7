"""ModelConfig refuses contradictions and the presets are the published shapes."""

from dataclasses import replace

import pytest

from octavo.config import ModelConfig, mini, mistral_7b, mixtral_8x7b, mixtral_8x22b
from octavo.errors import ConfigError


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dim": 0}, "dim is 0: want a positive whole number"),
        ({"num_layers": True}, "num_layers is True"),
        ({"vocab_size": 32000.0}, "vocab_size is 32000.0"),
        ({"num_heads": 30}, "30 is not a multiple of num_kv_heads 8"),
        ({"head_dim": 127}, "head_dim 127 is odd"),
        ({"num_experts": -1}, "num_experts is -1"),
        ({"num_experts": 0}, "without experts: set it to 0"),
        ({"num_experts_per_tok": 9}, "num_experts_per_tok is 9: want 1 to num_experts, which is 8"),
        ({"num_experts_per_tok": 0}, "num_experts_per_tok is 0"),
        ({"sliding_window": 0}, "sliding_window is 0"),
        ({"rope_theta": -1.0}, "rope_theta is -1.0"),
        ({"norm_eps": float("nan")}, "norm_eps is nan"),
        ({"norm_eps": float("inf")}, "norm_eps is inf"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        replace(mixtral_8x7b(), **change)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        mixtral_8x7b().dim = 1  # type: ignore[misc]


def test_mixtral_has_no_sliding_window() -> None:
    assert mixtral_8x7b().sliding_window is None
    assert mixtral_8x22b().sliding_window is None


def test_only_the_first_mistral_has_a_window() -> None:
    windows = {version: mistral_7b(version=version).sliding_window for version in ("v0.1", "v0.2", "v0.3")}
    assert windows == {"v0.1": 4096, "v0.2": None, "v0.3": None}
    assert mistral_7b(version="v0.1").rope_theta == 1e4
    assert mistral_7b(version="v0.3").vocab_size == 32768
    assert not mistral_7b().is_sparse


def test_an_unknown_mistral_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'v9' is not known: want v0\.1, v0\.2 or v0\.3"):
        mistral_7b(version="v9")


def test_the_dense_twin_of_mini_has_the_width_that_two_experts_have() -> None:
    sparse, dense = mini(), mini(num_experts=0)
    assert dense.hidden_dim == sparse.num_experts_per_tok * sparse.hidden_dim
    assert isinstance(dense, ModelConfig)
    assert not dense.is_sparse
