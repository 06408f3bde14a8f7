"""Checksums beside a reading: computed by threads while tensors are copied, compared before anything is returned."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from octavo.checkpoint.files import hub_sha256
from octavo.checkpoint.folder import ModelFolder
from octavo.checkpoint.manifest import file_sha256, tensor_sha256
from octavo.checkpoint.read import naming
from octavo.errors import CheckpointError

MAX_THREADS = 8


class Digests:
    """The checksums of one folder, while somebody reads it: those of its manifest, else of the Hub cache, else none.

    Leaving the ``with`` block in peace waits for every digest and raises CheckpointError for one that is wrong.
    """

    def __init__(self, folder: ModelFolder, *, enabled: bool = True) -> None:
        self.folder = folder
        self.manifest = folder.manifest if enabled else None
        self._pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1))
        self._waiting: list[Future[None]] = []
        self.hub: dict[Path, str] = {}
        if enabled and self.manifest is None:
            self.hub = {file: digest for file in folder.files if (digest := hub_sha256(file)) is not None}

    def __enter__(self) -> Self:
        for file, digest in self.hub.items():
            self._submit(partial(check_file, file, digest, "the Hub cache"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.settle()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def tensor(self, name: str, tensor: Tensor) -> None:
        """Starts the check of a tensor, as it lies in its file."""
        if (manifest := self.manifest) is not None:
            header = self.folder.tensors[name]
            self._submit(lambda: manifest.check_digest(header, name, tensor_sha256(tensor)))

    def of(self, name: str) -> Callable[[str], None] | None:
        """What takes the SHA-256 of a tensor that somebody else computes, and raises CheckpointError where it is wrong.

        None where there is nothing to compare it with.
        """
        if (manifest := self.manifest) is None:
            return None
        return partial(manifest.check_digest, self.folder.tensors[name], name)

    def settle(self) -> None:
        """Waits for the checks that were started; raises CheckpointError for the first that failed."""
        for failure in self.wait():
            raise failure

    def wait(self) -> list[CheckpointError]:
        """Waits for the checks that were started, and returns what failed."""
        waiting, self._waiting = self._waiting, []
        failures = []
        for future in waiting:
            failure = future.exception()
            if isinstance(failure, CheckpointError):
                failures.append(failure)
            elif failure is not None:
                raise failure
        return failures

    def _submit(self, check: Callable[[], None]) -> None:
        self._waiting.append(self._pool.submit(check))


def check_file(file: Path, want: str, who: str) -> None:
    """Raises CheckpointError unless the file's SHA-256 is the one that ``who`` gives."""
    with naming(file):
        found = file_sha256(file)
    if found != want:
        raise CheckpointError(
            f"{file}: has SHA-256 {found[:12]}..., {who} says {want[:12]}...: delete it and fetch it again"
        )
