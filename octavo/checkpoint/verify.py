"""Verifying a folder: every tensor, and every file beside them, against the checksums that came with it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from octavo.checkpoint.digest import Digests, check_file
from octavo.checkpoint.files import hub_blob
from octavo.checkpoint.folder import ModelFolder, open_folder
from octavo.checkpoint.load import Progress
from octavo.checkpoint.manifest import Manifest
from octavo.checkpoint.read import SafetensorsFiles, naming
from octavo.errors import CheckpointError

_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was compared, and what differed.

    ``against`` is "manifest" (ours), "hub" (the blob names of the Hub cache), or None where a folder has neither:
    then names, shapes, dtypes and sizes were checked and nothing else. ``files`` counts files that were compared as
    wholes, ``tensors`` those compared one by one. Each failure is one line that names the file, and the tensor where
    one is known.
    """

    folder: ModelFolder
    against: Literal["manifest", "hub"] | None
    tensors: int
    files: int
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differed; with ``against`` None, whether the folder is well formed."""
        return not self.failures


def verify_folder(path: ModelFolder | Path | str, *, progress: Progress | None = None) -> Verification:
    """Compares a folder with every checksum that it has, and goes on after the first that differs.

    Raises ConfigError and CheckpointError as open_folder does, when the folder is not well formed to begin with.
    """
    folder = path if isinstance(path, ModelFolder) else open_folder(path)
    with Digests(folder) as digests:
        if folder.manifest is not None:
            against: Literal["manifest", "hub"] | None = "manifest"
            failures = _failures_of_tensors(folder, digests, progress)
            compared, wrong = _compare_files(folder.path, folder.manifest)
            tensors = len(folder.tensors)
        else:
            failures = [str(failure) for failure in digests.wait()]
            compared, wrong = _compare_small_blobs(folder.path)
            compared += len(digests.hub)
            against = "hub" if compared else None
            tensors = 0
    failures += wrong
    return Verification(folder=folder, against=against, tensors=tensors, files=compared, failures=tuple(failures))


def check_digests(folder: ModelFolder) -> None:
    """Raises CheckpointError for the first checksum of a folder's weights that differs; nothing where it has none."""
    with Digests(folder) as digests:
        failures = _failures_of_tensors(folder, digests, None) if folder.manifest else []
        if failures:
            raise CheckpointError(failures[0])


def _failures_of_tensors(folder: ModelFolder, digests: Digests, progress: Progress | None) -> list[str]:
    failures = []
    done, total = 0, sum(file.stat().st_size for file in folder.files)
    with SafetensorsFiles(folder.tensors) as weights:
        for file in folder.files:
            for name in (name for name, header in folder.tensors.items() if header.file == file):
                digests.tensor(name, weights.read(name))
            # One shard at a time: its pages may go once its digests are done.
            failures += [str(failure) for failure in digests.wait()]
            done += file.stat().st_size
            if progress is not None:
                progress(file.name, done, total)
    return failures


def _compare_files(folder: Path, manifest: Manifest) -> tuple[int, list[str]]:
    """The files beside the weights, against our manifest."""
    failures = []
    records = {name: record.sha256 for name, record in manifest.files.items() if record.sha256 is not None}
    for name, digest in records.items():
        try:
            if Path(name).name != name:
                raise CheckpointError(f"{manifest.path}: names {name!r}, want the plain name of a file in this folder")
            check_file(folder / name, digest, "the manifest")
        except CheckpointError as failure:
            failures.append(str(failure))
    return len(records), failures


def _compare_small_blobs(folder: Path) -> tuple[int, list[str]]:
    """The small files of a Hub snapshot, whose blobs are named by git's hash of them."""
    compared, failures = 0, []
    for file in sorted(folder.iterdir()):
        blob = hub_blob(file)
        if blob is None or not _GIT_SHA1.fullmatch(blob):
            continue
        with naming(file):
            content = file.read_bytes()
        compared += 1
        # Git's name for a blob, not a safeguard: whoever can write the blob can rename it.
        found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        if found != blob:
            failures.append(f"{file}: has git hash {found[:12]}..., the Hub cache says {blob[:12]}...: fetch it again")
    return compared, failures
