"""The stopwatch is right: a server that takes its time is measured to take it."""

import asyncio
import socket

import httpx2
import pytest

from octavo.client.endpoint import find_endpoint
from octavo.client.timing import Timed, time_request
from tests.client.pretended import Pretended, listening


def timed(url: str, text: str, *, chat: bool = False) -> Timed:
    endpoint = find_endpoint(url)
    said = {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}

    async def go() -> Timed:
        async with httpx2.AsyncClient(**endpoint.options()) as client:
            return await time_request(client, endpoint, "/v1/chat/completions" if chat else "/v1/completions", said)

    return asyncio.run(go())


@pytest.mark.parametrize("chat", [False, True])
def test_each_token_takes_its_time(chat: bool) -> None:
    with listening(Pretended(seconds=0.02)) as url:
        found = timed(url, "a b c d e", chat=chat)
    assert found.text == "A B C D E"
    assert (found.prompt_tokens, found.output_tokens) == (7, 5)
    assert len(found.itl) == 4
    assert found.ttft >= 0.02
    # Two pieces may be read at once on a busy machine, but not all of them.
    assert sum(found.itl) >= 0.04
    assert found.latency == pytest.approx(found.ttft + sum(found.itl))
    assert found.latency >= 0.1


def test_what_goes_wrong_is_told_and_not_raised() -> None:
    with listening(Pretended(breaks_after=2)) as url:
        assert "the engine has died" in timed(url, "a b c").error
        assert "that is bad" in timed(url, "bad").error
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "nothing answers" in timed(f"http://127.0.0.1:{taken.getsockname()[1]}", "a").error
