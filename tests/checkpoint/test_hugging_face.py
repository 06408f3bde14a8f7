"""config.json: what transformers reads from it is what we read, and what we cannot honour we refuse by name."""

import json
import warnings
from pathlib import Path

import pytest
import torch

from octavo.checkpoint.hugging_face import config_json, read_config_json
from octavo.checkpoint.json_file import dump
from octavo.config import ModelConfig, mistral_7b, mixtral_8x7b, mixtral_8x22b
from octavo.errors import ConfigError

SIZES = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
}
MIXTRAL = {**SIZES, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
MISTRAL = {**SIZES, "model_type": "mistral"}
# As the Hub holds it, in the spelling of transformers 4.
MIXTRAL_8X7B_V4 = {
    "architectures": ["MixtralForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mixtral",
    "num_attention_heads": 32,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "output_router_logits": False,
    "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0,
    "router_aux_loss_coef": 0.02,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.36.0.dev0",
    "use_cache": True,
    "vocab_size": 32000,
}


def read(folder: Path, values: dict[str, object]) -> ModelConfig:
    return settings(folder, values).config


def settings(folder: Path, values: dict[str, object]):
    (folder / "config.json").write_text(json.dumps(values))
    return read_config_json(folder / "config.json")


def test_the_published_mixtral_is_read_without_a_warning(tmp_path: Path) -> None:
    found = settings(tmp_path, MIXTRAL_8X7B_V4)
    assert found.config == mixtral_8x7b()
    assert (found.dtype, found.bos_token_id, found.eos_token_ids) == (torch.bfloat16, 1, (2,))


@pytest.mark.parametrize("config", [mixtral_8x7b(), mixtral_8x22b(), mistral_7b(), mistral_7b(version="v0.3")])
def test_what_is_written_is_read_back_here_and_in_transformers(tmp_path: Path, config: ModelConfig) -> None:
    from transformers import AutoConfig

    (tmp_path / "config.json").write_bytes(
        dump(config_json(config, torch.bfloat16, bos_token_id=1, eos_token_ids=(2, 7)))
    )
    found = read_config_json(tmp_path / "config.json")
    assert (found.config, found.dtype, found.eos_token_ids) == (config, torch.bfloat16, (2, 7))
    AutoConfig.from_pretrained(tmp_path).save_pretrained(tmp_path / "theirs")
    again = read_config_json(tmp_path / "theirs" / "config.json")
    assert (again.config, again.dtype, again.eos_token_ids) == (config, torch.bfloat16, (2, 7))


OPTIONAL: list[dict[str, object]] = [
    {},
    {"num_key_value_heads": 2},
    {"head_dim": None},
    {"head_dim": 6},
    {"sliding_window": None},
    {"sliding_window": 9},
    {"rope_theta": 5e5},
    {"rope_theta": 500000},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 123.0}},
    {"rope_parameters": {"rope_theta": 7e5}},
    {"rope_parameters": {"rope_type": "default"}, "rope_theta": 321.0},
    {"rope_theta": 1e4, "rope_scaling": None},
    {"rms_norm_eps": 1e-3},
    {"max_position_embeddings": 99},
    {"tie_word_embeddings": True},
    {"bos_token_id": None, "eos_token_id": [5, 6]},
    {"torch_dtype": "float16"},
    {"dtype": "bfloat16"},
]


@pytest.mark.parametrize("given", OPTIONAL, ids=str)
@pytest.mark.parametrize("family", [MIXTRAL, MISTRAL], ids=["mixtral", "mistral"])
def test_absent_fields_take_the_values_of_transformers(
    tmp_path: Path, family: dict[str, object], given: dict[str, object]
) -> None:
    from transformers import AutoConfig

    ours = settings(tmp_path, {**family, **given})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = AutoConfig.from_pretrained(tmp_path)
    config = ours.config
    assert (config.num_kv_heads, config.head_dim) == (
        theirs.num_key_value_heads,
        theirs.head_dim or theirs.hidden_size // theirs.num_attention_heads,
    )
    assert (config.norm_eps, config.rope_theta) == (theirs.rms_norm_eps, theirs.rope_parameters["rope_theta"])
    assert (config.sliding_window, config.context_length) == (theirs.sliding_window, theirs.max_position_embeddings)
    assert (config.tie_embeddings, ours.dtype) == (theirs.tie_word_embeddings, theirs.dtype)
    eos = theirs.eos_token_id
    assert (ours.bos_token_id, ours.eos_token_ids) == (
        theirs.bos_token_id,
        tuple(eos if isinstance(eos, list) else [eos]),
    )


def test_no_number_of_key_value_heads_means_one_for_each_head_as_in_transformers_4(tmp_path: Path) -> None:
    assert read(tmp_path, {**MIXTRAL, "num_key_value_heads": None}).num_kv_heads == 8


@pytest.mark.parametrize("field", [*SIZES, "model_type", "num_local_experts", "num_experts_per_tok"])
def test_sizes_are_never_guessed(tmp_path: Path, field: str) -> None:
    with pytest.raises(ConfigError, match=f"config.json: {field} is missing"):
        read(tmp_path, {name: value for name, value in MIXTRAL.items() if name != field})


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"model_type": "llama"}, "model_type is 'llama'"),
    ({"architectures": ["MistralForCausalLM"]}, "architectures is"),
    ({"architectures": ["MixtralForSequenceClassification"]}, "architectures is"),
    ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
    ({"attention_bias": True}, "attention_bias is True"),
    ({"mlp_bias": True}, "mlp_bias is True"),
    ({"quantization_config": {"bits": 4}}, "quantization_config is"),
    ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling.type is 'linear'"),
    ({"rope_scaling": {"factor": 2.0}}, "rope_scaling.factor is 2.0"),
    ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4}}, "rope_parameters.rope_type is 'yarn'"),
    ({"rope_parameters": {"full_attention": {"rope_theta": 1e6}}}, "rope_parameters.full_attention"),
    (
        {"rope_theta": 1e4, "rope_parameters": {"rope_theta": 1e6}},
        "rope_theta is 10000.0 but rope_parameters.rope_theta",
    ),
    ({"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
    ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor is 0.5"),
    ({"num_experts": 8}, "num_experts is 8: it contradicts num_local_experts, which is 4"),
    ({"num_experts_per_tok": 5}, "num_experts_per_tok is 5"),
    ({"num_key_value_heads": 3}, "num_heads 8 is not a multiple of num_kv_heads 3"),
    ({"head_dim": 5}, "head_dim 5 is odd"),
    ({"hidden_size": 33}, "head_dim is missing: hidden_size 33 is no multiple"),
    ({"hidden_size": 4096.0}, "hidden_size is 4096.0"),
    ({"vocab_size": "61"}, "vocab_size is '61'"),
    ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
    ({"num_local_experts": 10**9}, "num_local_experts is 1000000000"),
    ({"num_hidden_layers": 4096, "num_local_experts": 4096}, "4,096 layers of 4,096 experts each are more"),
    ({"sliding_window": 0}, "sliding_window is 0"),
    ({"sliding_window": 9, "use_sliding_window": False}, "use_sliding_window is False"),
    ({"sliding_window": 9, "max_window_layers": 1}, "max_window_layers is 1"),
    ({"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 9}, "layer_types is"),
    ({"rms_norm_eps": 0}, "rms_norm_eps is 0"),
    ({"rms_norm_eps": "1e-5"}, "rms_norm_eps is '1e-5'"),
    ({"tie_word_embeddings": "no"}, "tie_word_embeddings is 'no'"),
    ({"dtype": "float8_e4m3fn"}, "dtype is 'float8_e4m3fn'"),
    ({"dtype": "float16", "torch_dtype": "bfloat16"}, "torch_dtype is 'bfloat16': it contradicts dtype"),
    ({"per_layer_config": {"0": {}}}, "per_layer_config is"),
    ({"norm_topk_prob": False}, "norm_topk_prob is False"),
    ({"n_shared_experts": 1}, "n_shared_experts is 1"),
    ({"eos_token_id": "2"}, "eos_token_id is '2'"),
]


@pytest.mark.parametrize(("given", "complaint"), REFUSED, ids=[complaint for _, complaint in REFUSED])
def test_what_cannot_be_honoured_is_refused_by_name(tmp_path: Path, given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, {**MIXTRAL, **given})
    assert complaint in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "config.json"))


def test_a_dense_model_with_experts_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="num_local_experts is 8: a 'mistral' model has no experts"):
        read(tmp_path, {**MISTRAL, "num_local_experts": 8})
    assert read(tmp_path, {**MISTRAL, "num_local_experts": 0}).num_experts == 0


def test_neutral_values_of_foreign_fields_pass(tmp_path: Path) -> None:
    neutral = {"attention_bias": False, "hidden_act": "silu", "rope_scaling": None, "quantization_config": None}
    more = {"layer_types": ["full_attention"] * 2, "use_sliding_window": False, "max_window_layers": 2}
    assert read(tmp_path, {**MIXTRAL, **neutral, **more}) == read(tmp_path, MIXTRAL)


def test_code_that_a_folder_names_is_never_run(tmp_path: Path) -> None:
    values = {**MIXTRAL, "auto_map": {"AutoModelForCausalLM": "evil.Model"}}
    assert read(tmp_path, values) == read(tmp_path, MIXTRAL)


def test_an_unknown_field_is_warned_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"config\.json: ignoring unknown field\(s\) 'frobnicate'"):
        read(tmp_path, {**MIXTRAL, "frobnicate": 3})
