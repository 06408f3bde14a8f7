"""The manifest comes back as it was written, and whatever is not a manifest is refused by name."""

from pathlib import Path

import pytest

from octavo.analysis.manifest import TraceManifest
from octavo.errors import TraceError

MANIFEST = TraceManifest(
    num_experts=8, num_experts_per_tok=2, layers=(0, 3), model="octavo-mini", settings={"dtype": "float32"}
)


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    assert TraceManifest.read(tmp_path) == MANIFEST


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("[]", "not the manifest"),
        ('{"format": "other"}', "not the manifest"),
        ('{"format": "octavo-route", "version": 9}', "version 9, want 1"),
        ('{"format": "octavo-route", "version": 1, "x": 1}', "unknown field 'x'"),
        ('{"format": "octavo-route", "version": 1}', "incomplete"),
        (
            '{"format": "octavo-route", "version": 1, "num_experts": 8, "num_experts_per_tok": 2, "layers": []}',
            "sparse",
        ),
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
