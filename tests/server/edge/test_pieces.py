"""Pieces: the same bytes, never many at once."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from octavo.server.edge.pieces import PIECE, Pieces
from tests.server.asking import ask, respond


@pytest.mark.parametrize("length", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7])
def test_an_answer_arrives_whole_in_pieces_with_one_end(length: int) -> None:
    body = bytes(each % 251 for each in range(length))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, body, content_length=str(length))

    answer = asyncio.run(ask(Pieces(app)))
    assert answer.body == body
    assert max(len(message["body"]) for message in answer.messages[1:]) <= PIECE
    assert [message.get("more_body", False) for message in answer.messages[1:]].count(False) == 1
    assert answer.ended


def test_what_goes_on_is_left_open() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a" * (PIECE + 1), "more_body": True})

    answer = asyncio.run(ask(Pieces(app)))
    assert not answer.ended
    assert len(answer.body) == PIECE + 1
