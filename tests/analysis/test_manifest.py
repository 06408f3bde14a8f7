"""The manifest comes back as it was written, and whatever is not a manifest is refused by name."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from octavo.analysis.manifest import TraceManifest
from octavo.errors import TraceError

# Settings go through JSON, where a tuple becomes a list.
MANIFEST = TraceManifest(
    num_experts=8,
    num_experts_per_tok=2,
    layers=(0, 3),
    model="octavo-mini",
    settings={"dtype": "float32", "sizes": (1, 2)},
)


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    manifest = replace(MANIFEST, has_weights=True, logits_step=0.0625, settings={"sizes": [1, 2]})
    manifest.write(tmp_path)
    assert TraceManifest.read(tmp_path) == manifest
    assert json.loads((tmp_path / "manifest.json").read_text())["weight_step"] == 0.0025
    assert [each.name for each in tmp_path.iterdir()] == ["manifest.json"]


def test_the_same_may_be_written_twice_and_another_not(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    MANIFEST.write(tmp_path)
    with pytest.raises(TraceError, match="contradicts this run: num_experts is 9 and 8; write to another folder"):
        replace(MANIFEST, num_experts=9).write(tmp_path)
    with pytest.raises(TraceError, match=r"settings\.dtype is 'bfloat16' and 'float32'"):
        replace(MANIFEST, settings={"dtype": "bfloat16", "sizes": [1, 2]}).write(tmp_path)


def test_a_manifest_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"no/manifest\.json cannot be written"):
        MANIFEST.write(tmp_path / "no")


@pytest.mark.parametrize(
    "fields", [{"exact_weights": True}, {"rank_ordered": None}, {"renormalized": False}, {"num_experts_per_tok": 3}]
)
def test_the_first_weight_says_both_only_where_it_does(fields: dict[str, Any]) -> None:
    assert replace(MANIFEST, has_weights=True).weight_step is not None
    assert replace(MANIFEST, has_weights=True, **fields).weight_step is None


def said_of(**fields: object) -> str:
    known = {"format": "octavo-route", "version": 1, "num_experts": 8, "num_experts_per_tok": 2}
    return json.dumps(known | fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("[]", "not the manifest"),
        ('{"format": "other"}', "not the manifest"),
        ('{"format": "octavo-route", "version": 9}', "version 9, want 1"),
        ('{"format": "octavo-route", "version": 1, "x": 1}', "unknown field 'x'"),
        ('{"format": "octavo-route", "version": 1}', "incomplete"),
        (said_of(layers=[]), "sparse"),
        (said_of(layers=[0.5]), r"layers is \[0.5\]"),
        (said_of(layers=[0], num_experts="8"), "num_experts is '8'"),
        (said_of(layers=[0], settings=[]), r"settings is \[\]"),
        (said_of(layers=[0], has_weights=True, weight_step=0.1), r"weight_step is 0.1, want 0.0025"),
        (said_of(layers=[0], logits_step=-1.0), "logits_step is -1.0"),
    ],
)
def test_what_is_no_manifest_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(TraceError, match=said) as caught:
        TraceManifest.read(tmp_path)
    assert str(tmp_path / "manifest.json") in str(caught.value)


def test_a_folder_without_one_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"has no manifest\.json"):
        TraceManifest.read(tmp_path)


@pytest.mark.parametrize("layers", [(1, 0), (0, 0), (-1, 2)])
def test_layers_are_rising_and_different(layers: tuple[int, ...]) -> None:
    with pytest.raises(TraceError, match="layers are"):
        TraceManifest(num_experts=8, num_experts_per_tok=2, layers=layers)


def test_the_page_of_the_format_tells_of_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "trace-format.md").read_text(encoding="utf-8")
    assert [each.name for each in fields(TraceManifest) if f"`{each.name}`" not in page] == []
