"""A real server, in processes of its own, for the rules that only such a one can keep or break."""

from collections.abc import Iterator

import pytest

from benchmarks.promises.served import Served, serving


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    with serving("--max-model-len", "256") as server:
        yield server
