"""A conversation's server is asked over real sockets: its models, its routing, answers whole and piece by piece."""

import socket

import pytest

from octavo.client.endpoint import ServerError, find_endpoint
from octavo.client.remote import Remote, RoutingShape
from octavo.errors import RequestError
from tests.client.pretended import Pretended, listening

CHAT = "/v1/chat/completions"


def saying(text: str, **more: object) -> dict[str, object]:
    return {"model": "shouter", "messages": [{"role": "user", "content": text}], **more}


def test_a_server_names_its_models_and_its_routing() -> None:
    with listening(Pretended()) as url, Remote(find_endpoint(url)) as remote:
        assert remote.models() == ["shouter"]
        assert remote.choose_model(None) == remote.choose_model("shouter") == "shouter"
        assert remote.routing() == RoutingShape(num_layers=3, num_experts=4)
        with pytest.raises(RequestError, match="it has shouter"):
            remote.choose_model("whisperer")


def test_a_server_that_tells_no_routing_is_known_by_it() -> None:
    with listening(Pretended(tells_routing=False)) as url, Remote(find_endpoint(url)) as remote:
        assert remote.routing() is None


def test_an_answer_comes_whole_or_in_pieces() -> None:
    with listening(Pretended()) as url, Remote(find_endpoint(url)) as remote:
        whole = remote.post(CHAT, saying("a quick fox"))["choices"][0]["message"]["content"]
        pieces = [chunk["choices"][0]["delta"]["content"] for chunk in remote.stream(CHAT, saying("a quick fox"))]
        assert whole == "".join(pieces) == "A QUICK FOX"
        assert len(pieces) == 3


def test_a_refused_request_and_a_broken_answer_are_told_apart() -> None:
    with listening(Pretended(breaks_after=1)) as url, Remote(find_endpoint(url)) as remote:
        with pytest.raises(RequestError, match="that is bad"):
            list(remote.stream(CHAT, saying("bad")))
        with pytest.raises(RequestError, match="that is bad"):
            remote.post(CHAT, saying("bad"))
        with pytest.raises(ServerError, match="the engine has died"):
            list(remote.stream(CHAT, saying("a b c")))


def test_closing_a_stream_hangs_up() -> None:
    app = Pretended(seconds=0.05)
    with listening(app) as url, Remote(find_endpoint(url)) as remote:
        chunks = remote.stream(CHAT, saying("a b c d e f g h i j"))
        next(chunks)
        chunks.close()
        assert remote.models() == ["shouter"]


def test_a_wrong_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(Pretended(key="k")) as url:
        with Remote(find_endpoint(url)) as remote, pytest.raises(RequestError, match="set OCTAVO_API_KEY"):
            remote.models()
        monkeypatch.setenv("OCTAVO_API_KEY", "k")
        with Remote(find_endpoint(url)) as remote:
            assert remote.models() == ["shouter"]


def test_nobody_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Remote(find_endpoint(url)) as remote, pytest.raises(ServerError, match="nothing answers at http"):
            remote.models()
