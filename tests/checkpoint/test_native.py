"""params.json: the publisher's own settings, read with the publisher's own defaults."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from octavo.checkpoint.json_file import dump
from octavo.checkpoint.native import params_json, read_params_json
from octavo.config import ModelConfig, mini, mistral_7b, mixtral_8x7b, mixtral_8x22b
from octavo.errors import ConfigError

# As released: without rope_theta, and with the window of the first Mistral 7B.
MISTRAL_7B_V1 = {
    "dim": 4096,
    "n_layers": 32,
    "head_dim": 128,
    "hidden_dim": 14336,
    "n_heads": 32,
    "n_kv_heads": 8,
    "norm_eps": 1e-05,
    "sliding_window": 4096,
    "vocab_size": 32000,
}
MIXTRAL_8X7B = {
    **{name: value for name, value in MISTRAL_7B_V1.items() if name != "sliding_window"},
    "moe": {"num_experts_per_tok": 2, "num_experts": 8},
}


def read(folder: Path, values: dict[str, object]) -> ModelConfig:
    (folder / "params.json").write_text(json.dumps(values))
    return read_params_json(folder / "params.json").config


def test_the_first_releases_are_read_without_a_warning(tmp_path: Path) -> None:
    assert read(tmp_path, MISTRAL_7B_V1) == mistral_7b()
    assert read(tmp_path, MIXTRAL_8X7B) == mixtral_8x7b()


@pytest.mark.parametrize(
    "config",
    [mixtral_8x7b(), mixtral_8x22b(), mistral_7b(), mini(), replace(mini(), num_experts=0, num_experts_per_tok=0)],
)
def test_what_is_written_is_read_back(tmp_path: Path, config: ModelConfig) -> None:
    (tmp_path / "params.json").write_bytes(dump(params_json(config)))
    assert read_params_json(tmp_path / "params.json").config == config


def test_it_knows_no_token_ids_and_seldom_a_dtype(tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text(json.dumps({**MIXTRAL_8X7B, "dtype": "bfloat16"}))
    found = read_params_json(tmp_path / "params.json")
    assert (found.bos_token_id, found.eos_token_ids, found.dtype) == (None, (), torch.bfloat16)
    read(tmp_path, MIXTRAL_8X7B)
    assert read_params_json(tmp_path / "params.json").dtype is None


@pytest.mark.parametrize("field", ["dim", "n_layers", "hidden_dim", "n_heads", "norm_eps", "vocab_size"])
def test_sizes_are_never_guessed(tmp_path: Path, field: str) -> None:
    with pytest.raises(ConfigError, match=f"params.json: {field} is missing"):
        read(tmp_path, {name: value for name, value in MIXTRAL_8X7B.items() if name != field})


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"moe": {}}, "moe is {}"),
    ({"moe": {"num_experts": 8}}, "moe.num_experts_per_tok is missing"),
    ({"moe": {"num_experts": 8, "num_experts_per_tok": 9}}, "num_experts_per_tok is 9"),
    ({"moe": {"num_experts": 8, "num_experts_per_tok": 2, "num_shared_experts": 1}}, "moe.num_shared_experts is 1"),
    ({"moe": {"num_experts": 8, "num_experts_per_tok": 2, "new": 1}}, "moe.new is 1"),
    ({"num_experts": 4}, "num_experts is 4: it contradicts moe.num_experts, which is 8"),
    ({"moe": None, "num_experts": 8}, "moe is None: experts are told"),
    ({"sliding_window": [None, 4096]}, "sliding_window is [None, 4096]"),
    ({"sliding_window": 5, "_sliding_window": 6}, "_sliding_window is 6: it contradicts sliding_window, which is 5"),
    ({"max_seq_len": 5, "max_position_embeddings": 6}, "max_position_embeddings is 6: it contradicts"),
    ({"quantization": {"qformat_weight": "fp8_e4m3"}}, "quantization is"),
    ({"yarn": {"factor": 4}}, "yarn is"),
    ({"lora": {"rank": 8}}, "lora is"),
    ({"model_type": "mamba"}, "model_type is 'mamba'"),
    ({"use_biases": True}, "use_biases is True"),
    ({"vision_encoder": {"hidden_size": 8}}, "vision_encoder is"),
    ({"head_dim": None, "dim": 4097}, "head_dim is None: dim 4097 is no multiple"),
    ({"n_kv_heads": 5}, "num_heads 32 is not a multiple of num_kv_heads 5"),
]


@pytest.mark.parametrize(("given", "complaint"), REFUSED, ids=[complaint for _, complaint in REFUSED])
def test_what_cannot_be_honoured_is_refused_by_name(tmp_path: Path, given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, {**MIXTRAL_8X7B, **given})
    assert complaint in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "params.json"))


def test_an_unknown_field_is_warned_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"params\.json: ignoring unknown field\(s\) 'frobnicate'"):
        read(tmp_path, {**MIXTRAL_8X7B, "frobnicate": 3})
