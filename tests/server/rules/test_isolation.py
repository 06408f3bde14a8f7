"""Rules R6 to R10 and R14: what a request brings is data, costs its own time only, and is nobody else's to see."""

import ast
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from benchmarks.promises.served import Served
from octavo import LLM, SamplingParams
from octavo.errors import OctavoError
from octavo.server.logs import OneLine
from octavo.server.routes import keys
from octavo.server.routes.front import Front
from octavo.server.settings import DoorSettings, ServerSettings
from octavo.tokenizer.template import ChatTemplate
from tests.server.conftest import model_of
from tests.server.live import Live, live_server

ROOT = Path(__file__).parent.parent.parent.parent
CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
KEY = "a-key-of-this-test"


@pytest.mark.parametrize(
    "fields",
    [
        {"chat_template": "{{ 7 * 7 }}"},
        {"chat_template_kwargs": {"chat_template": "{{ ''.__class__.__mro__ }}"}},
        {"chat_template_kwargs": {"tokenize": True}},
        {"documents": [{"text": "x"}]},
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/tokenize"])
def test_rule_R6_no_template_comes_with_a_request_GHSA_69j4_grxj_j64p_CVE_2026_115918(
    mini_server: Live, path: str, fields: dict[str, Any]
) -> None:
    base = CHAT if path.startswith("/v1") else {"messages": CHAT["messages"]}
    assert next(iter(fields)) in str(mini_server.error(path, **base, **fields)["message"])


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ (''|attr('__class__')).mro() }}",
        "{% for a in range(999999999) %}{% for b in range(999999999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 99999999999 }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_rule_R6_a_folder_s_template_runs_in_a_sandbox_with_an_end_CVE_2024_34359(source: str) -> None:
    start = time.monotonic()
    with pytest.raises(OctavoError):
        ChatTemplate(source, where="a folder", limit_s=1.0).render({"messages": [{"role": "user", "content": "Hi"}]})
    assert time.monotonic() - start < 20


COSTLY: dict[str, Any] = {
    "a_plus_plus_b_GHSA_rwxx_mrjm_wc2m": {"guided_regex": "(a+)+b"},
    "counts_of_counts": {"guided_regex": "((((a{1,99}){1,99}){1,99}){1,99}){1,99}"},
    "many_choices": {"guided_regex": "(" + "|".join(f"a{each}.*b" for each in range(3000)) + ")*"},
    "a_long_look_back": {"guided_regex": ".*a.{2000}"},
    "the_sibling_PYSEC_2026_3933": {
        "guided_json": {"type": "string", "pattern": "^((((a{1,99}){1,99}){1,99}){1,99})$"}
    },
    "a_deep_schema": {"guided_json": json.loads('{"items":' * 50 + "{}" + "}" * 50)},
    "a_wide_schema": {"guided_json": {"properties": {f"p{each}": {"type": "integer"} for each in range(2000)}}},
    "a_schema_of_itself": {"guided_json": {"$ref": "#", "definitions": {"a": {"$ref": "#/definitions/a"}}}},
}


@pytest.mark.parametrize("name", COSTLY)
def test_rule_R7_a_costly_grammar_costs_nobody_else_and_not_long(served: Served, name: str) -> None:
    slowest = 0.0
    ended = threading.Event()

    def ask() -> None:
        served.ask("/v1/completions", {"prompt": "Once", "max_tokens": 4, **COSTLY[name]}, timeout=90)
        ended.set()

    asking = threading.Thread(target=ask)
    start = time.monotonic()
    asking.start()
    while not ended.is_set():
        began = time.monotonic()
        assert served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1})[0] == 200
        slowest = max(slowest, time.monotonic() - began)
    asking.join()
    # A bound of seconds on the whole, and on the neighbour what a busy machine may add to a step.
    assert time.monotonic() - start < 60
    assert slowest < 5
    assert served.ask("/health")[0] == 200


def test_rule_R7_a_thousand_grammars_fill_neither_memory_nor_disk_GHSA_mgrm_fgjv_mhv8_GHSA_hf3c_wxg2_49q9(
    served: Served,
) -> None:
    home = Path(f"/proc/{served.child.pid}/cwd").resolve()
    before = set(home.iterdir())
    for number in range(20):
        served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1, "guided_regex": f"[a-z]{{{number}}}x"})
    resting = served.memory()
    for number in range(120):
        regex = "(" + "|".join(f"w{number}x{each}" for each in range(200)) + ")"
        assert served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1, "guided_regex": regex})[0] == 200
    assert served.memory() - resting < 150_000_000
    assert set(home.iterdir()) == before


def test_rule_R8_what_was_in_a_slot_reaches_no_later_request_GHSA_v97p_wpxp_px84(mini: LLM) -> None:
    greedy = SamplingParams(temperature=0, max_tokens=8, logprobs=3)
    prompts = ["The capital of France is", "def main():", "1 2 3 4"]
    first = [mini.generate([prompt], greedy)[0].outputs[0] for prompt in prompts]
    mini.generate(["x " * 200] * 8, SamplingParams(temperature=1, max_tokens=4, seed=1))
    cache = mini.engine.runner.cache
    for layer in vars_of(cache):
        # What nobody holds is poison: whoever reads it says so in every number.
        layer.fill_(float("nan"))
    mini.engine.pool.forget()
    again = [mini.generate([prompt], greedy)[0].outputs[0] for prompt in prompts]
    assert [each.token_ids for each in again] == [each.token_ids for each in first]
    assert np.isfinite([each.cumulative_logprob for each in again]).all()


def vars_of(cache: Any) -> list[torch.Tensor]:
    """The tensors of a cache."""
    found = [getattr(cache, name) for name in getattr(cache, "__slots__", ()) or vars(cache)]
    flat = [part for each in found for part in (each if isinstance(each, list | tuple) else [each])]
    tensors = [each for each in flat if isinstance(each, torch.Tensor) and each.is_floating_point()]
    assert tensors
    return tensors


def test_rule_R8_clients_of_different_keys_share_no_pages_CVE_2025_46570(mini: LLM, front: Front) -> None:
    salts = []
    settings = ServerSettings(api_keys=(KEY, KEY + "-too"))
    with live_server(model_of(mini), front, settings=settings, page_size=16) as live:
        submit = live.service.submit
        live.service.submit = lambda request, **how: salts.append(request.cache_salt) or submit(request, **how)
        for key in (KEY, KEY, KEY + "-too"):
            headers = {"authorization": f"Bearer {key}"}
            sent = live.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 1}, headers=headers)
            assert sent.status_code == 200
    assert salts[0] == salts[1] != salts[2]
    # The key itself is nowhere, only what it was turned into.
    assert KEY not in "".join(salts)


@pytest.mark.parametrize("kind", ["image_url", "audio_url", "video_url", "input_audio", "file"])
def test_rule_R9_no_address_is_ever_fetched_CVE_2026_24779_CVE_2026_25960_CVE_2026_34753(
    mini_server: Live, kind: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/x"
        part = {"type": kind, kind: {"url": url}}
        mini_server.error("/v1/chat/completions", messages=[{"role": "user", "content": [part]}])
        assert mini_server.post("/v1/completions", prompt=url, max_tokens=1).status_code == 200
        text = {"messages": [{"role": "user", "content": f"![a]({url}) @{url}"}], "max_tokens": 1}
        assert mini_server.post("/v1/chat/completions", **text).status_code == 200
        with pytest.raises(TimeoutError):
            trap.accept()


def test_rule_R9_the_server_has_nothing_to_fetch_with() -> None:
    clients = {
        "requests",
        "httpx",
        "httpx2",
        "aiohttp",
        "urllib.request",
        "urllib3",
        "http.client",
        "ftplib",
        "huggingface_hub",
    }
    found = set()
    for path in (ROOT / "octavo" / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
    assert found & clients == set()


@pytest.fixture(scope="module")
def locked(mini: LLM, front: Front) -> Iterator[Live]:
    with live_server(model_of(mini), front, settings=ServerSettings(api_keys=(KEY,)), page_size=16) as live:
        yield live


def test_rule_R10_every_route_is_closed_but_four(locked: Live) -> None:
    routes = set(locked.http.get("/openapi.json").json()["paths"])
    routes |= {route.path for route in locked.app.routes if hasattr(route, "path")}
    assert len(routes) > 10
    tried = {path.replace("{request_id}", "x").replace("{name}", "x").replace("{path:path}", "x") for path in routes}
    # What is open elsewhere, in whichever spelling.
    tried |= {
        "/invocations",
        "/pause",
        "/update_weights",
        "/collective_rpc",
        "/score",
        "/v1//models",
        "/health/",
        "/%2e/",
    }
    tried |= {
        "/HEALTH",
        "/docs",
        "/redoc",
        "/assets",
        "/assetsx",
        "/v1/models?",
        "/",
        "/health/../v1/models",
        "/nowhere",
    }
    opened = set()
    with httpx.Client(base_url=locked.url) as stranger:
        for path in sorted(tried):
            for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"):
                answer = stranger.request(method, path, json={} if method == "POST" else None)
                if answer.status_code != 401:
                    opened.add(path.rstrip("?"))
    assert {path for path in opened if not path.startswith("/assets/")} <= {"/", "/favicon.svg", "/health", "/version"}


@pytest.mark.parametrize("given", [".", "x", KEY[:-1], KEY + "x", KEY.upper(), "none", "\xff", "a" * 5000])
def test_rule_R10_a_wrong_key_opens_nothing(locked: Live, given: str) -> None:
    for header in ({"authorization": f"Bearer {given}"}, {"x-api-key": given}, {"authorization": given}):
        encoded = {name: value.encode("latin-1") for name, value in header.items()}
        with httpx.Client(base_url=locked.url) as stranger:
            assert stranger.get("/v1/models", headers=encoded).status_code == 401


def test_rule_R10_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or False)
    three = keys.Keys(["one-long-key", "two-long-key", "three-long-key"])
    for given in ("one-long-key", "nobody's"):
        compared.clear()
        three.admit(given)
        # All of them, always, and digests of one length.
        assert [len(a) == len(b) == 32 for a, b in compared] == [True] * 3


def test_rule_R10_without_flags_only_this_machine_is_served() -> None:
    assert DoorSettings().host == "127.0.0.1"


def test_rule_R14_no_log_holds_a_prompt_a_key_or_a_control_character(
    mini: LLM, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "zyzzyva"
    evil = f"{secret}\r\nINFO forged\x1b[31m\x07\u202e"
    settings = ServerSettings(api_keys=(KEY,), log_requests=True)
    formatter = OneLine("%(message)s")
    with caplog.at_level(logging.DEBUG), live_server(model_of(mini), front, settings=settings, page_size=16) as live:
        live.post("/v1/completions", prompt=evil, max_tokens=2, user=evil)
        live.post("/v1/completions", prompt=evil, max_tokens=2, model=evil)
        live.post("/v1/completions", prompt=evil, guided_regex=evil)
        live.post("/v1/chat/completions", messages=[{"role": "user", "content": evil}], max_tokens=2, stream=True)
        live.post("/v1/chat/completions", messages=[{"role": evil, "content": evil}])
        live.http.post("/v1/completions", content=b'{"' + secret.encode())
        live.http.get("/v1/routing/" + "%0d%0aforged%1b%5b31m")
        live.http.get("/%0d%0a%1b", headers={"x-request-id": secret, "authorization": "Bearer wrong-" + secret})
    lines = [formatter.format(record) for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert [line for line in lines if secret in line or KEY in line] == []
    assert [line for line in lines if not line.isprintable()] == []


def test_rule_R14_whatever_is_logged_stays_on_its_line() -> None:
    record = logging.LogRecord("octavo", logging.INFO, "", 0, "asked %s", ("a\r\nb\x1b[2J\u2028c\x00",), None)
    line = OneLine("%(message)s").format(record)
    assert line.isprintable()
    assert line.startswith("asked a")
