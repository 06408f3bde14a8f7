"""One process writes under a rank; a mark outlives the one that was stopped."""

import subprocess
import sys
from pathlib import Path

import pytest

from octavo.analysis.store.claim import Claim
from octavo.errors import TraceError


def test_a_rank_is_taken_once(tmp_path: Path) -> None:
    claim = Claim.take(tmp_path, 0)
    with pytest.raises(TraceError, match=f"another process is writing {tmp_path} as rank 0: wait for it"):
        Claim.take(tmp_path, 0)
    Claim.take(tmp_path, 1).fulfil()
    claim.fulfil()
    assert list(tmp_path.iterdir()) == []


def test_a_mark_stays_where_the_work_was_not_done(tmp_path: Path) -> None:
    Claim.take(tmp_path, 0).release()
    assert [each.name for each in tmp_path.iterdir()] == [".writing-00000"]
    Claim.take(tmp_path, 0).fulfil()
    assert list(tmp_path.iterdir()) == []


def test_the_mark_of_a_process_that_is_no_more_is_cleared(tmp_path: Path) -> None:
    code = "import os, sys, pathlib; from octavo.analysis.store.claim import Claim; "
    code += "claim = Claim.take(pathlib.Path(sys.argv[1]), 7); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert [each.name for each in tmp_path.iterdir()] == [".writing-00007"]
    claim = Claim.take(tmp_path, 0)
    assert [each.name for each in tmp_path.iterdir()] == [".writing-00000"]
    claim.fulfil()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"\.writing-00000 cannot be written \(No such file"):
        Claim.take(tmp_path / "nowhere", 0)
