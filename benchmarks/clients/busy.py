"""A server in front of a server that is busy at first: it refuses some requests of each path, then passes them on.

/2-429/NAME/v1/completions    answers 429 with Retry-After twice, then what the server behind answers
"""

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BODY = b'{"error": {"message": "busy", "type": "overloaded", "param": null, "code": null}}'


class Busy:
    """Where it is, and how often each name was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tries: Counter[str] = Counter()


@contextlib.contextmanager
def busy_server(behind: str) -> Iterator[Busy]:
    """One in front of the server at ``behind``, until the block ends."""
    busy = Busy("")

    class Handler(BaseHTTPRequestHandler):
        """Answers one connection."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Refuses, or passes on."""
            sent = self.rfile.read(int(self.headers.get("content-length", "0")))
            _, how, name, path = self.path.split("/", 3)
            refusals, status = map(int, how.split("-"))
            busy.tries[name] += 1
            if busy.tries[name] <= refusals:
                return self._answer(status, {"Content-Type": "application/json", "Retry-After": "0"}, BODY)
            connection = http.client.HTTPConnection(urlsplit(behind).netloc, timeout=60)
            wanted = {key: self.headers[key] for key in ("Content-Type", "Authorization") if key in self.headers}
            connection.request("POST", f"/{path}", sent, wanted)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            return self._answer(answer.status, {"Content-Type": answer.headers["content-type"]}, body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        """One that does not tell of clients who hang up."""

        def handle_error(self, *_: object) -> None:
            """Nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    busy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield busy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
