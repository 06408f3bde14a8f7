"""Functions in a conversation, in Mistral's format v3: what is offered, what was called, and what came of it.

    [AVAILABLE_TOOLS]▁[{"type": "function", "function": {"name", "description", "parameters"}}, ...][/AVAILABLE_TOOLS]
        before the last question
    [TOOL_CALLS]▁[{"name", "arguments", "id"}, ...]</s>                  in place of a reply
    [TOOL_RESULTS]▁{"content", "call_id"}[/TOOL_RESULTS]                 one for each call

Each is JSON as Python writes it, characters as they are; an id has nine letters and digits.
"""

import json
import re
from collections.abc import Mapping, Sequence

from octavo.errors import RequestError
from octavo.tokenizer.messages import Message, check_plain

MARKS = ("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9]{9}")


def spell_tools(tools: Sequence[object]) -> str:
    """The functions that are offered; raises RequestError, which names the first that is none."""
    check_plain(tools, "tools")
    offered = []
    for place, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping):
            raise RequestError(f"tools[{place}]: no function was found, an object with function was wanted")
        parameters = function.get("parameters") or {}
        if not isinstance(parameters, Mapping):
            raise RequestError(f"tools[{place}]: parameters that are no object were found, a JSON schema was wanted")
        offered.append(
            {
                "type": "function",
                "function": {
                    "name": _name(function.get("name"), f"tools[{place}]"),
                    "description": str(function.get("description") or ""),
                    "parameters": parameters,
                },
            }
        )
    return _json(offered)


def spell_calls(messages: Sequence[Message]) -> str:
    """The calls of neighbouring messages of the assistant; "" where there are none. Raises RequestError."""
    calls = []
    for message in messages:
        for call in message.rest.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, Mapping) else None
            if not isinstance(function, Mapping):
                raise RequestError("tool_calls: no function was found, an object with name and arguments was wanted")
            arguments = function.get("arguments")
            spelled = {"name": _name(function.get("name"), "tool_calls"), "arguments": _value(arguments)}
            calls.append({**spelled, "id": _id(call.get("id"), "tool_calls: id")})
    return _json(calls) if calls else ""


def spell_result(message: Message) -> str:
    """What a called function gave. Raises RequestError."""
    call_id = _id(message.rest.get("tool_call_id"), "tool_call_id")
    return _json({"content": _value(message.text("\n\n")), "call_id": call_id})


def check_results(messages: Sequence[Message]) -> None:
    """Raises RequestError where a reply comes before each call of the one before it has its result."""
    open_calls = 0
    for index, message in enumerate(messages):
        if message.role == "tool":
            open_calls -= 1
        calls = message.rest.get("tool_calls") or ()
        if open_calls < 0 or (message.role == "assistant" and open_calls):
            raise RequestError(f"messages[{index}]: one result for each call was wanted; give all of them, and no more")
        if message.role == "assistant":
            open_calls = len(calls)


def _name(name: object, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        found = f"the function name {ascii(name)[:80]}"
        raise RequestError(f"{where}: {found} was found, 1 to 64 letters, digits, _ and - were wanted")
    return name


def _id(given: object, where: str) -> str:
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise RequestError(f"{where} {ascii(given)[:80]} was found, nine letters and digits were wanted; keep the id")
    return given


def _value(given: object) -> object:
    """What a text of JSON stands for; a text that is none stands for itself, an empty one for an empty object."""
    if not isinstance(given, str):
        return {} if given is None else given
    try:
        return json.loads(given) if given else {}
    except (ValueError, RecursionError):
        return given


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
