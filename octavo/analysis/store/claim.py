"""Claim: a process's mark that it is the one that writes under a rank, which outlives it where it is stopped."""

import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from octavo.analysis.store import naming
from octavo.errors import TraceError


@dataclass(slots=True, kw_only=True)
class Claim:
    """A locked file in the trace's folder. The system unlocks it when the process ends, however it ends; the file goes
    only when the work is done."""

    rank: int
    path: Path
    file: IO[bytes]
    released: bool = field(default=False)

    @classmethod
    def take(cls, folder: Path, rank: int) -> "Claim":
        """Marks ``rank`` as at work, and clears the marks of processes that are no more. Raises TraceError where
        another process is at work under this rank."""
        path = folder / naming.mark_name(rank)
        file = _locked(path)
        if file is None:
            raise TraceError(f"another process is writing {folder} as rank {rank}: wait for it, or give another folder")
        for other in naming.marks(folder):
            if other != path and (stale := _locked(other)):
                other.unlink(missing_ok=True)
                stale.close()
        return cls(rank=rank, path=path, file=file)

    def release(self) -> None:
        """Lets go of the rank and leaves the mark: the work is not done."""
        self.file.close()
        self.released = True

    def fulfil(self) -> None:
        """Takes the mark away: the work is done."""
        self.path.unlink(missing_ok=True)
        self.release()


def _locked(path: Path) -> IO[bytes] | None:
    """Opens and locks a file, which is there afterwards under this very name; None where another process holds it."""
    while True:
        try:
            file = path.open("ab")
        except OSError as error:
            raise TraceError(f"{path} cannot be written ({error.strerror}): give a folder that can be") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same(path, file):
                return file
        except BlockingIOError:
            file.close()
            return None
        file.close()


def _same(path: Path, file: IO[bytes]) -> bool:
    """Whether the name still leads to the open file: its owner may have taken it away in between."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
