"""A part has the columns that the manifest promises, as small as they can be."""

from typing import Any

import pytest

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store.columns import logits_dtype, schema_of, weight_dtype


def manifest(num_experts: int, k: int, **fields: Any) -> TraceManifest:
    return TraceManifest(num_experts=num_experts, num_experts_per_tok=k, layers=(3, 15), **fields)


def types_of(stated: TraceManifest) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema_of(stated)}


ALWAYS = {"doc_id": "uint32", "pos": "uint32", "phase": "uint8", "flags": "uint16"}


def test_columns_are_named_after_the_models_layers() -> None:
    assert types_of(manifest(8, 2)) == ALWAYS | {"token_id": "uint32", "r3": "uint8", "r15": "uint8"}


def test_a_trace_without_text_has_no_tokens() -> None:
    assert types_of(manifest(8, 2, has_tokens=False)) == ALWAYS | {"r3": "uint8", "r15": "uint8"}


@pytest.mark.parametrize(
    ("num_experts", "k", "route"),
    [(8, 2, "uint8"), (16, 2, "uint8"), (64, 8, "fixed_size_binary[8]"), (512, 10, "fixed_size_binary[20]")],
)
def test_a_route_is_a_byte_where_a_byte_holds_it(num_experts: int, k: int, route: str) -> None:
    assert types_of(manifest(num_experts, k))["r3"] == route


def test_everything_else_that_is_promised_is_there() -> None:
    promised = manifest(8, 2, has_weights=True, has_logits=True, has_nll=True, has_predictions=True)
    found = types_of(promised)
    assert found["w15"] == "uint8"
    assert found["z15"] == "fixed_size_binary[16]"
    assert found["nll"] == "float"
    assert found["pred_id"] == "uint32"


@pytest.mark.parametrize(
    ("fields", "weight", "logits"),
    [
        ({"has_weights": True}, "uint8", "float16"),
        ({"has_weights": True, "exact_weights": True}, "float32", "float16"),
        ({"has_weights": True, "renormalized": False, "logits_step": 0.1}, "float16", "int8"),
    ],
)
def test_numbers_are_kept_as_the_manifest_says(fields: dict[str, Any], weight: str, logits: str) -> None:
    assert weight_dtype(manifest(8, 2, **fields)) == weight
    assert logits_dtype(manifest(8, 2, **fields)) == logits
