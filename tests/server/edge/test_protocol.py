"""The guarded protocol, over real sockets: what is too much, too slow, ambiguous or unread ends, and nothing else."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn

from octavo.server.edge.protocol import find_trouble
from octavo.server.limits import Limits
from tests.server.serving import Served, echo, endless, read_all, serving, status_of, wait_until

SHORT = Limits(header_timeout=0.4, body_timeout=0.6, keep_alive_timeout=0.5, reader_timeout=0.5, max_connections=30)
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture(scope="module")
def echoing() -> Iterator[Served]:
    with serving(echo, SHORT) as served:
        yield served


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def streaming(request: pytest.FixtureRequest) -> Iterator[Served]:
    with serving(endless, SHORT, loop=request.param) as served:
        yield served


def code_of(answer: bytes) -> str:
    return str(json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"])


def test_an_ordinary_request_is_served_and_the_connection_kept(echoing: Served) -> None:
    answer = echoing.exchange((HEAD + b"Content-Length: 2\r\n\r\nhi"), timeout=0.2)
    assert status_of(answer) == 200
    assert b"connection: close" not in answer
    kept = http.client.HTTPConnection("127.0.0.1", echoing.port, timeout=10)
    for _ in range(3):
        kept.request("POST", "/", iter([b"ab", b"c"]), encode_chunked=True)
        assert kept.getresponse().read() == b"3"
    kept.close()


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_one_large_header_is_431(echoing: Served, size: int) -> None:
    answer = echoing.exchange(HEAD + b"X: " + b"a" * size + b"\r\n\r\n")
    assert (status_of(answer), code_of(answer)) == (431, "max_header_bytes")


def test_headers_are_taken_up_to_their_number_and_size(echoing: Served) -> None:
    for number, status in ((99, 200), (100, 431), (10_000, 431)):
        assert status_of(echoing.exchange(HEAD + b"A: b\r\n" * number + b"\r\n", timeout=0.2)) in {status, 200}
    answer = echoing.exchange(HEAD + b"A: b\r\n" * 100 + b"Content-Length: 0\r\n\r\n")
    assert (status_of(answer), code_of(answer)) == (431, "max_headers")
    room = 32_768 - len(b"/Hosta") - len(b"Content-Length0") - 3 * 4 - len(b"X")
    for spare, status in ((0, 200), (1, 431)):
        sent = HEAD + b"Content-Length: 0\r\nX: " + b"a" * (room + spare) + b"\r\n\r\n"
        assert status_of(echoing.exchange(sent, timeout=0.2)) == status


def test_a_long_address_is_431(echoing: Served) -> None:
    assert status_of(echoing.exchange(b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")) == 431


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: identity\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 2_0\r\n\r\n",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
        HEAD + b"Host: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ],
)
def test_what_two_readers_could_take_differently_is_400(echoing: Served, head: bytes) -> None:
    answer = echoing.exchange(head)
    assert (status_of(answer), code_of(answer)) == (400, "invalid_http")
    assert b"connection: close" in answer


def test_a_fold_of_trouble_is_found_and_plain_heads_have_none() -> None:
    assert find_trouble([(b"host", b"a"), (b"transfer-encoding", b"Chunked")], "1.1") is None
    assert find_trouble([], "1.0") is None
    assert find_trouble([], "1.1") is not None
    assert find_trouble([(b"host", b"a"), (b"transfer-encoding", b"chunked")], "1.0") is not None


def test_trailers_reach_no_application(echoing: Served) -> None:
    answer = echoing.exchange(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: Bearer x\r\n\r\n", timeout=0.2
    )
    assert status_of(answer) == 200
    assert b"authorization" not in answer


@pytest.mark.parametrize("cut", [0, 30, 90, 130, 140])
@pytest.mark.parametrize(
    "body", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
)
def test_a_wish_for_another_protocol_is_passed_over_and_no_byte_lost(echoing: Served, body: bytes, cut: int) -> None:
    # As Java's own client writes it.
    sent = HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAI\r\n" + body
    with echoing.connect(timeout=0.2) as plain:
        for _ in range(2):
            plain.sendall(sent[:cut])
            time.sleep(0.01)
            plain.sendall(sent[cut:])
            answer = read_all(plain)
            assert status_of(answer) == 200
            assert answer.endswith(b"\r\n\r\n3")
            assert b"upgrade" not in answer


def test_a_websocket_is_not_opened(echoing: Served) -> None:
    websocket = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==\r\n"
    assert status_of(echoing.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n" + websocket + b"\r\n", timeout=0.2)) == 200
    closing = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
    assert b"connection: close" in echoing.exchange(closing)


@pytest.mark.parametrize("drip", [b"", b"G", b"\r\n", HEAD])
def test_headers_that_do_not_come_end_the_connection(echoing: Served, drip: bytes) -> None:
    start = time.monotonic()
    with echoing.connect() as plain:
        plain.sendall(drip)
        answer = read_all(plain)
    assert 0.3 < time.monotonic() - start < 3
    assert status_of(answer) == (408 if drip.strip() else 0)


@pytest.mark.parametrize("piece", [b"a", b"\r\n"])
def test_a_byte_now_and_then_gains_nothing(echoing: Served, piece: bytes) -> None:
    start = time.monotonic()
    with echoing.connect() as plain, pytest.raises(ConnectionError):
        plain.sendall(b"\r\n" if piece == b"\r\n" else b"GET / HTTP/1.1\r\nX: ")
        while time.monotonic() - start < 5:
            plain.sendall(piece)
            time.sleep(0.05)
    assert time.monotonic() - start < 4


def test_a_body_that_does_not_come_is_408(echoing: Served) -> None:
    start = time.monotonic()
    answer = echoing.exchange(HEAD + b"Content-Length: 10\r\n\r\nabc")
    assert (status_of(answer), code_of(answer)) == (408, "body_timeout")
    assert 0.5 < time.monotonic() - start < 3
    wait_until(lambda: echoing.num_tasks == 0)


def test_a_resting_connection_is_closed(echoing: Served) -> None:
    start = time.monotonic()
    assert status_of(echoing.exchange(HEAD + b"Content-Length: 0\r\n\r\n")) == 200
    assert 0.4 < time.monotonic() - start < 3


def test_one_connection_too_many_is_told_so(echoing: Served) -> None:
    wait_until(lambda: echoing.num_connections == 0)
    with ExitStack() as held:
        plain = [held.enter_context(echoing.connect()) for _ in range(35)]
        answer = read_all(plain[-1])
        assert (status_of(answer), code_of(answer)) == (503, "max_connections")
        assert b"retry-after: 5" in answer
    wait_until(lambda: echoing.num_connections == 0)


def test_requests_sent_ahead_are_left_to_be_sent_again(echoing: Served) -> None:
    one = HEAD + b"Content-Length: 1\r\n\r\na"
    answer = echoing.exchange(one * 500)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer


def test_a_client_that_sent_ahead_and_goes_is_missed(streaming: Served) -> None:
    with streaming.connect() as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        plain.recv(100)
    wait_until(lambda: streaming.num_tasks == 0, seconds=2)


def test_a_reader_that_stops_is_cut(streaming: Served) -> None:
    with streaming.connect(receive_buffer=4096) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: streaming.num_tasks == 1)
        wait_until(lambda: streaming.num_tasks == 0, seconds=5)
        wait_until(lambda: streaming.num_connections == 0)


def test_a_slow_reader_that_goes_on_is_not_cut(streaming: Served) -> None:
    with streaming.connect(receive_buffer=65_536) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(30):
            time.sleep(0.05)
            for _ in range(20):
                assert plain.recv(65_536)
    wait_until(lambda: streaming.num_tasks == 0)


def test_a_body_without_an_end_is_cut(echoing: Served) -> None:
    served = 0
    with echoing.connect() as plain, pytest.raises(ConnectionError):
        plain.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while served < 200_000_000:
            served += plain.send(b"10000\r\n" + b"a" * 65_536 + b"\r\n")
    assert served < 100_000_000


def test_a_reset_in_the_middle_leaves_nothing(echoing: Served) -> None:
    for sent in (HEAD, HEAD + b"Content-Length: 10\r\n\r\nabc", b""):
        plain = echoing.connect()
        plain.sendall(sent)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        plain.close()
    wait_until(lambda: echoing.num_connections == 0 and echoing.num_tasks == 0)


def test_uvicorn_still_has_what_we_build_on() -> None:
    protocol = uvicorn.protocols.http.httptools_impl.HttpToolsProtocol
    for name in ("_unset_keepalive_if_required", "_should_upgrade", "on_header", "pause_writing", "on_message_begin"):
        assert callable(getattr(protocol, name))
