"""The gate to pyarrow and DuckDB: extras that are imported when a trace is first touched, or asked for by name."""

import importlib
from typing import Any

from octavo.errors import TraceError


def arrow() -> Any:
    """pyarrow; raises TraceError where it is not installed."""
    return _extra("pyarrow", "trace")


def parquet() -> Any:
    """pyarrow.parquet; raises TraceError where it is not installed."""
    return _extra("pyarrow.parquet", "trace")


def duckdb() -> Any:
    """DuckDB; raises TraceError where it is not installed."""
    return _extra("duckdb", "analyze")


def _extra(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise TraceError(f"a trace needs {package}, which is not installed: pip install 'octavo[{extra}]'") from None
