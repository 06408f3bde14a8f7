"""The models that the tests of the engine room share."""

import pytest

from octavo.model import Transformer
from tests.engine.serving import VARIANTS, tiny


@pytest.fixture(scope="session", params=VARIANTS)
def model(request: pytest.FixtureRequest) -> Transformer:
    """A sparse model, one with a sliding window, and a dense one."""
    return tiny(**VARIANTS[request.param])


@pytest.fixture(scope="session")
def sparse() -> Transformer:
    return tiny()
