"""Without an extra, one line says which, and how to get it."""

import subprocess
import sys

import pytest

from octavo.analysis.store import extras
from octavo.errors import TraceError


@pytest.mark.parametrize(
    ("gate", "module", "said"),
    [
        (extras.arrow, "pyarrow", r"needs pyarrow, which is not installed: pip install 'octavo\[trace\]'"),
        (extras.parquet, "pyarrow.parquet", r"needs pyarrow, .* 'octavo\[trace\]'"),
        (extras.duckdb, "duckdb", r"needs duckdb, .* 'octavo\[analyze\]'"),
    ],
)
def test_what_is_not_installed_is_named(gate: object, module: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(gate)
    gate()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TraceError, match=said):
        gate()


def test_the_store_is_imported_without_any_extra() -> None:
    forbidden = ("torch", "pyarrow", "duckdb", "matplotlib", "pandas")
    code = f"import sys, octavo.analysis.store; print([each for each in {forbidden} if each in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
