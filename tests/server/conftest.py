"""The models that the tests of the server share, and servers in front of octavo-mini."""

from collections.abc import Iterator

import pytest

from octavo import LLM
from octavo.model import Transformer
from octavo.server.routes.front import Front, make_front
from tests.engine.serving import tiny
from tests.server.live import Live, live_server


@pytest.fixture(scope="session")
def sparse() -> Transformer:
    return tiny()


@pytest.fixture(scope="session")
def mini() -> LLM:
    """octavo-mini in this process: what a server says is held against it."""
    return LLM(device="cpu", num_pages=600)


@pytest.fixture(scope="session")
def front(mini: LLM) -> Front:
    return make_front(("octavo-mini", "another-name"), mini.config, mini.tokenizer)


@pytest.fixture(scope="session")
def mini_server(mini: LLM, front: Front) -> Iterator[Live]:
    """octavo-mini behind HTTP, open to everybody."""
    with live_server(model_of(mini), front, eos_token_ids=frozenset({2}), page_size=16) as live:
        yield live


def model_of(llm: LLM) -> Transformer:
    return llm.engine.runner.model
