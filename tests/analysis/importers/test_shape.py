"""Which layers have experts is read from a model's config.json, in the ways of its family."""

import json
from pathlib import Path

import pytest

from octavo.analysis.importers.shape import RouterShape
from octavo.errors import TraceError

MINI = Path(__file__).parents[3] / "octavo" / "mini"


def shape_of(tmp_path: Path, **fields: object) -> RouterShape:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"num_hidden_layers": 6, "num_experts_per_tok": 2, **fields}))
    return RouterShape.from_config(path)


def test_every_layer_of_a_mixtral_has_experts() -> None:
    assert RouterShape.from_config(MINI) == RouterShape(num_experts=8, k=2, layers=tuple(range(8)), num_hidden_layers=8)


def test_the_first_layers_of_a_deepseek_are_dense(tmp_path: Path) -> None:
    assert shape_of(tmp_path, n_routed_experts=64, first_k_dense_replace=1).layers == (1, 2, 3, 4, 5)


def test_a_qwen_lists_its_dense_layers_or_steps_over_them(tmp_path: Path) -> None:
    assert shape_of(tmp_path, num_experts=60, mlp_only_layers=[0, 3]).layers == (1, 2, 4, 5)
    assert shape_of(tmp_path, num_experts=60, decoder_sparse_step=2).layers == (1, 3, 5)


def test_a_model_of_text_and_images_keeps_its_text_apart(tmp_path: Path) -> None:
    text = {"num_hidden_layers": 3, "num_experts_per_tok": 4, "num_experts": 16}
    assert shape_of(tmp_path, text_config=text) == RouterShape(
        num_experts=16, k=4, layers=(0, 1, 2), num_hidden_layers=3
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "has no experts|no experts to route to"),
        ({"num_local_experts": "8"}, "num_local_experts is '8': want a whole number"),
        ({"num_local_experts": 8, "num_experts_per_tok": 9}, "9 experts a token out of 8"),
        ({"num_local_experts": 8, "num_hidden_layers": None}, "num_hidden_layers is None"),
        ({"num_experts": 8, "mlp_only_layers": list(range(6))}, "MoE layers are \\[\\]"),
    ],
)
def test_a_config_that_says_too_little_is_named(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    with pytest.raises(TraceError, match=f"config.json: .*({message})"):
        shape_of(tmp_path, **fields)


def test_a_config_that_is_none_is_named(tmp_path: Path) -> None:
    for content in ("[1, 2]", "{", "\xff"):
        (tmp_path / "config.json").write_text(content, encoding="latin-1")
        with pytest.raises(TraceError, match=r"config\.json .*want a model's config\.json"):
            RouterShape.from_config(tmp_path)
    with pytest.raises(TraceError, match="cannot be read"):
        RouterShape.from_config(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text(" " * (5 << 20))
    with pytest.raises(TraceError, match="longer than"):
        RouterShape.from_config(tmp_path)


def test_layers_and_their_number_agree() -> None:
    with pytest.raises(TraceError, match="MoE layer 6 of a model with 6 layers"):
        RouterShape(num_experts=8, k=2, layers=(5, 6), num_hidden_layers=6)
    with pytest.raises(TraceError, match="rising, each once"):
        RouterShape(num_experts=8, k=2, layers=(1, 0))
