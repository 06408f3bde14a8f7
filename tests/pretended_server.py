"""A small stand-in for ``octavo serve`` that speaks its wire format, gives recorded answers, and fails when told to.

A prompt that begins with ``!`` names what goes wrong: ``!429``, ``!503``, ``!cut``, ``!dead``, ``!hostile 0 50``... Any
other gets one of the answers that ``octavo.LLM`` wrote when the stand-in was made.
"""

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

import octavo
from octavo import LLM, SamplingParams

PAGE = Path(octavo.__file__).parent / "server" / "page"
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
MODEL, LAYERS, EXPERTS, CHOSEN = "octavo-mini", 8, 8, 2
EVEN = [1 / EXPERTS] * EXPERTS
BREAD = "שלום עולם, this is לחם and 面包 😀.\n"
SCHEMA = {
    "components": {
        "schemas": {
            "ChatRequest": {
                "properties": {
                    "messages": {"type": "array"},
                    "temperature": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 2}, {"type": "null"}]},
                    "top_p": {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"type": "null"}]},
                }
            }
        }
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token of an answer: its own text, what the stream's text has once it is there, and its row of L layers."""

    piece: str
    text: str
    token_id: int = 7
    experts: list[list[int]] = field(default_factory=list)
    weights: list[list[float]] = field(default_factory=list)
    logits: list[list[float]] = field(default_factory=list)


def recorded(prompts: tuple[str, ...] = ("The old captain", "def main():", "Bread is")) -> list[list[Token]]:
    """Answers of octavo-mini with their routing, token by token."""
    params = SamplingParams(max_tokens=48, temperature=0.8, seed=1, routing=True, router_logits=True)
    llm = LLM()
    answers = []
    for given in llm.generate(list(prompts), params):
        output = given.outputs[0]
        assert output.routed_experts is not None and output.routed_weights is not None
        assert output.router_logits is not None
        texts = [llm.tokenizer.decode([each]) for each in output.token_ids]
        answers.append(
            [
                Token(
                    piece=text,
                    text=text,
                    token_id=output.token_ids[place],
                    experts=output.routed_experts[place].tolist(),
                    weights=output.routed_weights[place].tolist(),
                    logits=output.router_logits[place].tolist(),
                )
                for place, text in enumerate(texts)
            ]
        )
    return answers


def invented(pieces: list[str], *, seed: int = 0, texts: list[str] | None = None) -> list[Token]:
    """An answer of these tokens, routed by chance; the last one is read by nobody."""
    rng = np.random.default_rng(seed)
    logits_TLE = rng.normal(size=(len(pieces), LAYERS, EXPERTS))
    expert_TLK = np.argsort(-logits_TLE, axis=-1)[..., :CHOSEN]
    chosen_TLK = np.exp(np.take_along_axis(logits_TLE, expert_TLK, -1))
    weight_TLK = chosen_TLK / chosen_TLK.sum(-1, keepdims=True)
    expert_TLK[-1:], weight_TLK[-1:], logits_TLE[-1:] = -1, 0, 0
    return [
        Token(piece=piece, text=text, experts=experts.tolist(), weights=weights.tolist(), logits=logits.tolist())
        for piece, text, experts, weights, logits in zip(
            pieces, texts or pieces, expert_TLK, weight_TLK, logits_TLE, strict=True
        )
    ]


def in_bytes(text: str) -> tuple[list[str], list[str]]:
    """A text as a tokenizer of bytes writes it: pieces of characters, and the characters once they are whole."""
    pieces, texts = [], []
    for character in text:
        size = len(character.encode())
        pieces += [character] if size == 1 else ["\ufffd"] * size
        texts += [""] * (size - 1) + [character]
    return pieces, texts


def prompt_of(text: str) -> dict[str, Any]:
    """A prompt as the first chunk tells it: a token a word, routed by chance."""
    read = invented([*re.findall(r"\s*\S+", text), ""])[:-1]
    return {
        "prompt_token_ids": [each.token_id for each in read],
        "prompt_tokens": [each.piece for each in read],
        "prompt_routed_experts": [each.experts for each in read],
        "prompt_routed_weights": [each.weights for each in read],
        "prompt_router_logits": [each.logits for each in read],
    }


class StandIn:
    """The stand-in while it serves at ``url``; ``seen`` holds the requests for answers, ``cut`` those left early."""

    def __init__(self, answers: list[list[Token]], *, hostile: list[str] | None = None, key: str = "") -> None:
        self.answers, self.hostile, self.key = answers, hostile or [], key
        self.seen: list[dict[str, Any]] = []
        self.cut: list[str] = []
        self.fails: dict[str, int] = {}
        stand_in = self

        class Handler(Answering):
            owner = stand_in

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "StandIn":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer_to(self, prompt: str) -> list[Token]:
        """The tokens of the answer to a prompt."""
        command, _, rest = prompt.partition(" ")
        if command == "!hostile":
            number, size = (int(each) for each in rest.split())
            return invented([*self.hostile[number : number + size], "end"], seed=number)
        if command == "!bytes":
            pieces, texts = in_bytes(BREAD)
            return invented([*pieces, "."], texts=[*texts, "."])
        if command in ("!long", "!slow"):
            words = [token for answer in self.answers for token in answer[:-1]]
            return [words[each % len(words)] for each in range(int(rest or 400))]
        return self.answers[len(self.seen) % len(self.answers)]


class Answering(BaseHTTPRequestHandler):
    """One connection; its owner is set by the stand-in."""

    owner: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        file = PAGE / ("index.html" if path == "/" else path.lstrip("/"))
        if path == "/seen":
            self.give({"seen": self.owner.seen, "cut": self.owner.cut})
        elif file.is_file():
            self.send(200, file.read_bytes(), KINDS[file.suffix])
        elif not self.allowed():
            self.refuse(401, "no key, or one that is not known", kind="authentication_error")
        elif path == "/v1/models":
            self.give({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif path == "/openapi.json":
            self.give(SCHEMA)
        elif path == "/v1/routing/stats":
            layers = [
                {"layer": each, "tokens": 100, "expert_share": EVEN, "entropy_bits": 3.0, "max_violation": 0.0}
                for each in range(LAYERS)
            ]
            self.give({"since_start": {"layers": layers}, "window": {"seconds": 60, "layers": layers}})
        else:
            self.refuse(404, "no such path")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.owner.seen.append(body)
        chat = self.path == "/v1/chat/completions"
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        command, _, rest = prompt.partition(" ")
        again = self.owner.fails.get(prompt, 0)
        self.owner.fails[prompt] = again + 1
        if not self.allowed():
            self.refuse(401, "no key, or one that is not known", kind="authentication_error")
        elif command in ("!429", "!503") and not again:
            self.refuse(int(command[1:]), "64 requests wait, that is all there is room for", wait=1)
        elif command == "!400":
            self.refuse(400, f"{rest} is 3, want 0 to 2", param=rest)
        elif command == "!413":
            self.refuse(413, "the body is larger than 2 MB")
        elif command == "!page":
            self.send(502, b"<html><script>owned(0)</script></html>", "text/html")
        elif command == "!away":
            self.close_connection = True
        else:
            self.stream(self.owner.answer_to(prompt), prompt, chat=chat, again=again)

    def allowed(self) -> bool:
        return not self.owner.key or self.headers["Authorization"] == f"Bearer {self.owner.key}"

    def give(self, told: object) -> None:
        self.send(200, json.dumps(told).encode(), "application/json")

    def refuse(self, status: int, message: str, *, kind: str = "x", param: str = "", wait: int = 0) -> None:
        error = {"error": {"message": message, "type": kind, "param": param or None, "code": None}}
        self.send(status, json.dumps(error).encode(), "application/json", wait=wait)

    def send(self, status: int, body: bytes, kind: str, *, wait: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if wait:
            self.send_header("Retry-After", str(wait))
        self.send_header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        self.end_headers()
        self.wfile.write(body)

    def stream(self, tokens: list[Token], prompt: str, *, chat: bool, again: int) -> None:
        """Sends an answer token by token, each with the row of the token before it."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        command = prompt.split(" ", maxsplit=1)[0]
        pause = 0.05 if command == "!slow" else 0.002
        try:
            for place, token in enumerate(tokens):
                rows = tokens[place - 1 : place] if place else []
                if place + 1 == len(tokens):
                    rows = [*rows, token]
                choice: dict[str, Any] = {
                    "index": 0,
                    "token_ids": [token.token_id],
                    "tokens": [token.piece],
                    "routed_experts": [each.experts for each in rows],
                    "routed_weights": [each.weights for each in rows],
                    "router_logits": [each.logits for each in rows],
                    "finish_reason": ("error" if command == "!nan" else "stop") if place + 1 == len(tokens) else None,
                }
                choice |= {"delta": {"content": token.text}} if chat else {"text": token.text}
                chunk = {"id": "answer-1", "choices": [choice]}
                if place == 0:
                    chunk |= prompt_of(prompt)
                self.event(json.dumps(chunk))
                if place == 4 and command in ("!cut", "!reset", "!dead", "!garbage") and not again:
                    return self.break_off(command)
                time.sleep(pause)
            self.event("[DONE]")
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.owner.cut.append(command)
            self.close_connection = True

    def event(self, text: str) -> None:
        line = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()

    def break_off(self, how: str) -> None:
        """Ends a stream the wrong way: cleanly but too early, in the middle of a chunk, or with words."""
        if how == "!dead":
            self.event(json.dumps({"error": {"message": "the engine ended", "type": "unavailable"}}))
            self.event("[DONE]")
        if how == "!garbage":
            self.event("{not json")
        if how == "!reset":
            # A browser that learns of the end before it has looked at the beginning says that nothing came at all.
            time.sleep(0.5)
        else:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True


if __name__ == "__main__":  # to look at the page by hand
    with StandIn(recorded(), hostile=[f"<script>owned({each})</script>" for each in range(1000)]) as standing:
        print(standing.url, flush=True)
        while True:
            time.sleep(60)
