"""Every error says what was found, what is wanted and the way out, in OpenAI's form; what is ours is not told."""

import asyncio
import json
import logging
from typing import Any

import openai
import pytest
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from octavo.errors import ConfigError, OverCapacity, RequestError, TokenizerError
from octavo.server.backend.service import EngineDead
from octavo.server.routes.errors import (
    Fault,
    Refused,
    Shield,
    fault_of,
    http_fault,
    path_of,
    told,
    unavailable,
    validation_fault,
)
from octavo.server.routes.schema.bounds import FieldError
from octavo.server.routes.schema.chat import ChatRequest
from tests.server.live import Live


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry"),
    [
        (RequestError("x is 1: want 2"), 400, "invalid_request_error", None),
        (TokenizerError("no token for it"), 400, "invalid_request_error", None),
        (FieldError("n is 0: want 1", "n"), 400, "invalid_request_error", None),
        (OverCapacity("full"), 429, "overloaded", 1),
        (EngineDead("gone"), 503, "unavailable", 5),
        (Refused(unavailable("loading")), 503, "unavailable", 5),
        (ConfigError("ours"), 500, "server_error", None),
        (ZeroDivisionError("a secret of the user"), 500, "server_error", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_has_its_status(error: Exception, status: int, kind: str, retry: int | None) -> None:
    fault = fault_of(error)
    assert (fault.status, fault.error["type"], fault.retry_after) == (status, kind, retry)
    response = fault.response()
    assert response.headers.get("retry-after") == (None if retry is None else str(retry))
    # Without it clients try again by themselves on every 5xx.
    assert ("x-should-retry" in response.headers) == (retry is None)
    assert json.loads(bytes(response.body))["error"].keys() == {"message", "type", "param", "code"}


def test_what_is_ours_is_logged_by_its_place_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError("what the user wrote\r\n\x1b[31m")

    with caplog.at_level(logging.ERROR, logger="octavo.server"):
        try:
            fail()
        except ZeroDivisionError as error:
            assert "wrote" not in fault_of(error).message
    assert "ZeroDivisionError at test_errors.py:" in caplog.text
    assert "wrote" not in caplog.text and "\x1b" not in caplog.text


def test_an_error_without_a_traceback_is_told_too() -> None:
    assert told(ValueError("x")) == "ValueError at an unknown place"


def test_the_frameworks_refusals_have_our_form() -> None:
    assert http_fault(HTTPException(404)).message.startswith("there is no such path")
    assert http_fault(HTTPException(405)).error["type"] == "invalid_request_error"
    assert http_fault(HTTPException(418)).status == 418


def refusal(given: object) -> Fault:
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate(given)
    errors = [{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()]
    return validation_fault(errors)


USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("given", "param", "message"),
    [
        ({}, "messages", "messages is missing: it has to be there"),
        (
            {"messages": [USER], "temperature": "hot"},
            "temperature",
            "temperature is 'hot': want a valid number",
        ),
        ({"messages": [USER], "stream": 1}, "stream", "stream is 1: want a valid boolean"),
        ({"messages": [USER], "n": 1.5}, "n", "n is 1.5: want a valid integer"),
        ({"messages": [USER], "n": True}, "n", "n is true: want a valid integer"),
        (
            {"messages": [USER], "tools": [{"type": "function", "function": {}}]},
            "tools[0].function.name",
            "tools[0].function.name is missing: it has to be there",
        ),
        ({"messages": [USER], "stop": [1]}, "stop", "stop holds 1: want strings only"),
        ({"messages": [5]}, "messages[0]", "messages[0] is 5: want a JSON object"),
        (
            {"messages": [USER], "tool_choice": {"type": "function", "function": {"nam": "x"}}},
            "tool_choice.function",
            "tool_choice.function: 'nam' is no field that is known here: did you mean 'name'?",
        ),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_by_its_place(given: object, param: str, message: str) -> None:
    fault = refusal(given)
    assert (fault.status, fault.param, fault.message) == (400, param, message)


def test_a_strangers_text_comes_back_short_and_escaped() -> None:
    fault = refusal({"messages": [USER], "temperature": "\x1b[31m\r\n<script>" + "x" * 5000})
    assert len(fault.message) < 200
    assert "\x1b" not in fault.message and "\n" not in fault.message
    fault = refusal({"messages": [USER], "\x1b]0;title\x07" + "y" * 5000: 1})
    assert len(fault.message) < 1000 and "\x1b" not in fault.message


def test_a_place_is_written_as_a_person_writes_it() -> None:
    assert path_of(("body", "messages", 0, "user", "content")) == "messages[0].content"
    assert path_of(("body", "user")) == "user"
    assert path_of(("body", "tool_choice", "literal['none']")) == "tool_choice"
    assert path_of(("body", "tool_choice", "NamedTool", "function")) == "tool_choice.function"
    assert path_of(("body",)) == ""


def shielded(app: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Shield(app)({"type": "http"}, app, send))
    return sent


def test_an_error_that_nobody_caught_is_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("secret")

    start, body = shielded(app)
    assert start["status"] == 500
    assert b"secret" not in body["body"]


def test_an_answer_that_broke_off_is_cut() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("secret")

    with pytest.raises(ConnectionAbortedError, match="broke off"):
        shielded(app)


def test_the_stock_client_knows_our_errors(mini_server: Live) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        mini_server.client.completions.create(model="octavo-mini", prompt="x", temperature=3)
    assert "temperature is 3: want a number from 0 up to 2 (max_temperature)" in caught.value.message
    assert caught.value.param == "temperature"
    with pytest.raises(openai.NotFoundError, match="want one of octavo-mini, another-name"):
        mini_server.client.completions.create(model="gpt-4", prompt="x")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/health", 405), ("GET", "/v1/completions", 405), ("DELETE", "/v1/models", 405)],
)
def test_what_is_not_there_is_told_in_our_form(mini_server: Live, method: str, path: str, status: int) -> None:
    response = mini_server.http.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert status != 405 or response.headers["allow"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b'{"prompt": NaN}', "application/json"),
        (b'{"prompt": "\\ud800"}', "application/json"),
        (b'{"prompt": "x", "temperature": 1e999}', "application/json"),
        (b'{"prompt": "x"}', "text/plain"),
        (b"prompt=x", "application/x-www-form-urlencoded"),
        (b"\xff\xfe{}", "application/json"),
    ],
)
def test_a_body_that_is_no_request_is_a_400(mini_server: Live, body: bytes, kind: str) -> None:
    response = mini_server.http.post("/v1/completions", content=body, headers={"content-type": kind})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
