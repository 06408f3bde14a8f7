"""Models by name: folders first, then the Hub and its cache; one dialect is fetched, errors are one line."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from octavo.checkpoint import fetch, load_model, open_folder
from octavo.checkpoint.hub import choose_files
from octavo.errors import CheckpointError
from tests.checkpoint.test_digest import flip_last_bit, in_the_hub_cache

MIXTRAL = [
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
]
NOT_WANTED = [
    ".gitattributes",
    "README.md",
    "pytorch_model-00001-of-00002.bin",
    "pytorch_model.bin.index.json",
    "consolidated.00.pth",
    "modeling_evil.py",
    "original/config.json",
    "onnx/model.safetensors",
    "model.fp8.safetensors",
    "training_args.bin",
]
NATIVE = ["params.json", "consolidated.safetensors"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def answering(monkeypatch: pytest.MonkeyPatch, listing: object, download: object = None) -> list[dict[str, object]]:
    """Puts answers, or errors to raise, in the place of the Hub; returns the downloads that were asked for."""
    asked: list[dict[str, object]] = []

    def give(answer: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    def snapshot(name: str, **settings: object) -> object:
        asked.append({"name": name, **settings})
        return give(download)

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda self, name, revision: give(listing))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return asked


def error(kind: type[Exception], text: str = "a long\nstory") -> Exception:
    """An error of the library, without the answer of a server that most of them want."""
    made = kind.__new__(kind)
    Exception.__init__(made, text)
    return made


def test_a_folder_is_itself(folder: Path) -> None:
    assert fetch(folder) == fetch(str(folder)) == folder


@pytest.mark.parametrize("name", ["mixtral", "./a/b", "/a/b", "a/b/c", "../b", "org/na me", "~/model", "org/"])
def test_what_is_neither_a_folder_nor_an_id_is_said_to_be_neither(name: str) -> None:
    with pytest.raises(CheckpointError, match="is no folder here and no Hub id"):
        fetch(name)


def test_one_dialect_of_safetensors_is_chosen() -> None:
    assert choose_files("org/name", [*MIXTRAL, *NOT_WANTED]) == sorted(MIXTRAL)
    both = choose_files("org/name", [*MIXTRAL, *NATIVE])
    assert "consolidated.safetensors" not in both and set(MIXTRAL) <= set(both)
    small = ["config.json", "tekken.json", "tokenizer.model.v3"]
    assert choose_files("org/name", [*small, *NATIVE, *NOT_WANTED]) == sorted([*small, *NATIVE])
    sharded = ["consolidated-00001-of-00002.safetensors", "consolidated.safetensors.index.json", "params.json"]
    assert choose_files("org/name", sharded) == sorted(sharded)


@pytest.mark.parametrize(
    "present", [[], NOT_WANTED, ["config.json"], ["model.safetensors"], ["config.json", "consolidated.safetensors"]]
)
def test_a_repository_without_safetensors_or_settings_is_refused(present: list[str]) -> None:
    with pytest.raises(CheckpointError, match="org/name: has no safetensors of a model with its"):
        choose_files("org/name", present)


def test_what_was_chosen_is_what_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = answering(monkeypatch, [*MIXTRAL, *NOT_WANTED], str(tmp_path))
    assert fetch("org/name", revision="v1") == tmp_path
    assert asked == [{"name": "org/name", "revision": "v1", "allow_patterns": sorted(MIXTRAL)}]


def test_the_cache_serves_when_the_hub_may_not_be_asked(folder: Path, cache: Path) -> None:
    snapshot = in_the_hub_cache(folder, cache)
    refs = cache / "models--org--name" / "refs"
    refs.mkdir()
    (refs / "main").write_text(snapshot.name)
    found = fetch("org/name")
    assert found == fetch("org/name", revision=snapshot.name) == snapshot
    assert load_model(found)
    flip_last_bit((snapshot / "model.safetensors").resolve())
    with pytest.raises(CheckpointError, match="the Hub cache says"):
        load_model(found)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="its weights were not fetched"):
        open_folder(fetch("org/name"))


def test_without_the_hub_and_without_the_cache_there_is_no_model(cache: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"^org/name is no folder here and not whole in the Hub cache, .*online once$"
    ):
        fetch("org/name")


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (errors.GatedRepoError, "is gated: accept its terms"),
        (errors.RepositoryNotFoundError, "is not on the Hub, or private"),
        (errors.RevisionNotFoundError, "has no such revision"),
        (errors.HFValidationError, "is no folder here and no Hub id"),
        (errors.HfHubHTTPError, "could not be fetched from the Hub .*HfHubHTTPError: a long story"),
        (ConnectionError, "could not be fetched from the Hub .*ConnectionError: a long story"),
        (OSError, "could not be fetched from the Hub"),
    ],
)
def test_every_error_of_the_hub_is_one_line_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], complaint: str
) -> None:
    for listing, download in ((error(kind), errors.LocalEntryNotFoundError("not here")), (MIXTRAL, error(kind))):
        answering(monkeypatch, listing, download)
        with pytest.raises(CheckpointError, match=rf"^org/name \(revision x\) {complaint}") as raised:
            fetch("org/name", revision="x")
        assert str(raised.value).isprintable()
