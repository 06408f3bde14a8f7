"""No key of the environment reaches a test."""

import pytest

from octavo.client.endpoint import KEYS


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
