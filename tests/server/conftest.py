"""The model that the tests of the server share."""

import pytest

from octavo.model import Transformer
from tests.engine.serving import tiny


@pytest.fixture(scope="session")
def sparse() -> Transformer:
    return tiny()
