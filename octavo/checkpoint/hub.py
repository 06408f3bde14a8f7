"""Models by name: a folder on this machine, or an id of the Hugging Face Hub, whose files go to its usual cache."""

import re
from collections.abc import Iterable
from pathlib import Path

# Only the name: the package itself loads what is used of it on first use, and that takes a third of a second.
import huggingface_hub

from octavo.checkpoint.files import index_name, single_name
from octavo.checkpoint.json_file import plain
from octavo.checkpoint.manifest import MANIFEST_NAME
from octavo.errors import CheckpointError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_SHARD = {
    native: re.compile(rf"{stem}-\d+-of-\d+\.safetensors")
    for native, stem in ((False, "model"), (True, "consolidated"))
}
_BESIDE = re.compile(
    r"config\.json|params\.json|generation_config\.json|tokenizer\.json|tokenizer\.model(\.v\w+)?|tekken\.json"
    r"|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|chat_template\.(jinja|json)|"
    + re.escape(MANIFEST_NAME)
)


def fetch(model: Path | str, *, revision: str | None = None, settings_only: bool = False) -> Path:
    """The folder of ``model``: itself when it is one, else that of a Hub id, downloaded unless the cache has it.

    Downloads go through huggingface_hub: its cache, its token, its offline switch (HF_HUB_OFFLINE) and its progress
    bars. Only safetensors of one dialect, settings and tokenizer files are fetched, with ``settings_only`` just
    config.json and params.json; ``revision`` is a branch, a tag or a commit. Raises CheckpointError, in one line, when
    there is no such folder or id, or it cannot be reached.
    """
    path = Path(model)
    if path.exists():
        return path
    name = str(model)
    if not _HUB_ID.fullmatch(name):
        raise CheckpointError(
            f"{name!r} is no folder here and no Hub id: want a model folder, or an id such as org/name"
        )
    try:
        present = huggingface_hub.HfApi().list_repo_files(name, revision=revision)
    except Exception as reason:
        if type(reason).__name__ in _FINAL:
            raise _explained(name, revision, reason) from reason
        return _cached(name, revision, reason)
    wanted = ["config.json", "params.json"] if settings_only else choose_files(name, present)
    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as reason:
        raise _explained(name, revision, reason) from reason


def choose_files(name: str, present: Iterable[str]) -> list[str]:
    """Of the files that a Hub repository has, those to fetch: the weights of one dialect, Hugging Face if it can be.

    Raises CheckpointError when it has no safetensors or no settings.
    """
    files = set(present)
    beside = sorted(file for file in files if _BESIDE.fullmatch(file))
    for native, settings in ((False, "config.json"), (True, "params.json")):
        weights = {single_name(native)} & files
        if not weights and index_name(native) in files:
            weights = {file for file in files if _SHARD[native].fullmatch(file)} | {index_name(native)}
        if weights and settings in files:
            return sorted(weights | set(beside))
    raise CheckpointError(
        f"{name}: has no safetensors of a model with its config.json or params.json: only those are loaded; look for a "
        "repository that has them"
    )


def _cached(name: str, revision: str | None, unreachable: Exception) -> Path:
    """What the cache has of an id when the Hub cannot be asked; whether all of it is there shows when it is opened."""
    try:
        # Every repository that was fetched has its config.json, if it has one; more than that depends on its dialect.
        found = huggingface_hub.snapshot_download(
            name, revision=revision, local_files_only=True, allow_patterns=["config.json"]
        )
    except Exception:
        raise _explained(name, revision, unreachable) from unreachable
    return Path(found)


_LOG_IN = "log in with hf auth login, or set HF_TOKEN"
# Answers of the Hub that no cache can better, by the names of their errors, the narrower first.
_FINAL = {
    "GatedRepoError": f"is gated: accept its terms on its page, then {_LOG_IN}",
    "RepositoryNotFoundError": f"is not on the Hub, or private: check the id, or {_LOG_IN}",
    "RevisionNotFoundError": "has no such revision: give a branch, a tag or a commit of it",
    "HFValidationError": "is no folder here and no Hub id: want a model folder, or an id such as org/name",
}
_OFFLINE = ("OfflineModeIsEnabled", "LocalEntryNotFoundError", "IncompleteSnapshotError")


def _explained(name: str, revision: str | None, reason: Exception) -> CheckpointError:
    what = f"{name} (revision {revision})" if revision else name
    kind = type(reason).__name__
    if kind in _FINAL:
        return CheckpointError(f"{what} {_FINAL[kind]}")
    if kind in _OFFLINE:
        return CheckpointError(
            f"{what} is no folder here and not whole in the Hub cache, and the Hub may not be asked: go online once"
        )
    return CheckpointError(
        f"{what} could not be fetched from the Hub ({kind}: {plain(reason)}): try again, or give a folder"
    )
