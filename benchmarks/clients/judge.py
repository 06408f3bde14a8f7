"""Compares what a client got with what a case expects: the same for every client."""

import json
import re
from collections.abc import Callable
from typing import Any

Known = dict[str, Any]
KINDS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str) and value != "",
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}
MISSING = "nothing is there"


def judge(case: dict[str, Any], known: Known) -> list[str]:
    """What is wrong with a case, in a line each; nothing where it passed."""
    known = {name: gather(value) if is_stream(value) else value for name, value in known.items()}
    trouble = []
    for path, verb, *wanted in case["expect"]:
        found = look(known, path)
        want = [resolve(each, known) for each in wanted]
        if not TESTS[verb](found, *want):
            trouble.append(f"{path} is {shown(found)}, want it: {verb} {' '.join(map(shown, want))}")
    return trouble


def look(known: Any, path: str) -> Any:
    """What stands at a path; None where nothing does, as clients leave empty fields out or not."""
    for name in path.split("."):
        try:
            known = known[int(name)] if isinstance(known, list) else known[name]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return known


def resolve(wanted: Any, known: Known) -> Any:
    """A value to compare with, worked out from other steps where it says so."""
    if not isinstance(wanted, dict) or len(wanted) != 1:
        return wanted
    ((how, what),) = wanted.items()
    match how:
        case "of":
            return look(known, what)
        case "sum":
            parts = [look(known, path) for path in what]
            return None if None in parts else sum(parts)
        case "count":
            return size(look(known, what))
        case "joined":
            return "".join(resolve(part, known) or "" for part in what)
        case "join of":
            return "".join(look(known, what) or ())
        case "whole when":
            return look(known, what[0]) == what[1]
    return wanted


def is_stream(value: Any) -> bool:
    """Whether a step gave a stream's chunks."""
    return isinstance(value, dict) and "chunks" in value


def gather(stream: dict[str, Any]) -> dict[str, Any]:
    """The chunks of a stream, and beside them what they come to."""
    chunks = stream["chunks"]
    choices = [choice for chunk in chunks for choice in chunk.get("choices") or ()]
    indices = sorted({choice["index"] for choice in choices})
    of = {index: [choice for choice in choices if choice["index"] == index] for index in indices}
    return {
        **stream,
        "ids": sorted({chunk["id"] for chunk in chunks}),
        "texts": ["".join(text_of(choice) for choice in of[index]) for index in indices],
        "finish": [of[index][-1].get("finish_reason") for index in indices],
        "usage": next((chunk["usage"] for chunk in chunks if chunk.get("usage")), None),
        "logprobs": [[each for choice in of[index] for each in logprobs_of(choice)] for index in indices],
        "routed": [[row for choice in of[index] for row in choice.get("routed_experts") or ()] for index in indices],
        "prompt_routed": [row for chunk in chunks for row in chunk.get("prompt_routed_experts") or ()],
        "tool_calls": calls_of(choices),
    }


def text_of(choice: dict[str, Any]) -> str:
    """What a piece adds to its text."""
    return choice.get("text") or (choice.get("delta") or {}).get("content") or ""


def logprobs_of(choice: dict[str, Any]) -> list[Any]:
    """What a piece adds to its logprobs."""
    found = choice.get("logprobs") or {}
    return found.get("token_logprobs") or found.get("content") or []


def calls_of(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls of a stream, put together from their pieces."""
    calls: dict[int, dict[str, Any]] = {}
    for choice in choices:
        for piece in (choice.get("delta") or {}).get("tool_calls") or ():
            call = calls.setdefault(piece["index"], {"id": None, "function": {"name": "", "arguments": ""}})
            call["id"] = piece.get("id") or call["id"]
            for name in ("name", "arguments"):
                call["function"][name] += (piece.get("function") or {}).get(name) or ""
    return [calls[index] for index in sorted(calls)]


def holds(found: Any, value: Any) -> bool:
    """Whether a value stands anywhere in a document."""
    if found == value:
        return True
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return any(holds(each, value) for each in inner)


def is_json_of(found: Any, shape: dict[str, Any]) -> bool:
    """Whether a text is a JSON object, with just the keys that are told."""
    try:
        value = json.loads(found)
    except (TypeError, ValueError):
        return False
    return isinstance(value, dict) and ("keys" not in shape or sorted(value) == sorted(shape["keys"]))


def begins_json_of(found: Any, shape: dict[str, Any], whole: bool) -> bool:
    """Whether a text is a JSON object, or where it was cut off the beginning of one."""
    return is_json_of(found, shape) if whole else isinstance(found, str) and found.lstrip().startswith("{")


def repeats(found: Any, times: int) -> bool:
    """Whether a text is one piece again and again."""
    return isinstance(found, str) and found != "" and found == found[: len(found) // times] * times


def size(found: Any) -> int:
    """How long something is; -1 where it has no length."""
    return len(found) if isinstance(found, str | list | dict) else -1


def shown(value: Any) -> str:
    """A value, in short."""
    return MISSING if value is None else f"{value!r:.160}"


TESTS: dict[str, Callable[..., bool]] = {
    "equals": lambda found, value: found is not None and found == value,
    "differs from": lambda found, value: found is not None and found != value,
    "is": lambda found, kind: KINDS[kind](found),
    "in": lambda found, values: found in values,
    "above": lambda found, value: found is not None and found > value,
    "at least": lambda found, value: found is not None and found >= value,
    "at most": lambda found, value: found is not None and found <= value,
    "length": lambda found, value: size(found) == value,
    "length at least": lambda found, value: size(found) >= value,
    "contains": lambda found, value: isinstance(found, str) and value in found,
    "lacks": lambda found, value: isinstance(found, str) and value not in found,
    "starts with": lambda found, value: isinstance(found, str) and isinstance(value, str) and found.startswith(value),
    "matches": lambda found, pattern: isinstance(found, str) and re.search(pattern, found) is not None,
    "repeats": repeats,
    "contains value": holds,
    "is JSON of": is_json_of,
    "begins JSON of": begins_json_of,
}
