"""Plays cases with the openai client of the Python that runs this: cases on stdin, what came out as JSON on stdout.

It judges nothing, and needs nothing but the client; ``drive.mjs`` does the same with the client for Node.
"""

import json
import re
import sys
from typing import Any

import openai

REFERENCE = re.compile(r"\{([a-z]\.[^{}]+)\}")


def main() -> None:
    """Plays all cases, one after another."""
    given = json.load(sys.stdin)
    client = openai.OpenAI(base_url=given["base_url"], api_key=given["api_key"], timeout=120)
    results = {case["name"]: play(client, case) for case in given["cases"]}
    json.dump({"client": f"openai {openai.__version__}", "results": results}, sys.stdout)


def play(client: openai.OpenAI, case: dict[str, Any]) -> dict[str, Any]:
    """What each step of a case gave, by the step's name."""
    known: dict[str, Any] = {}
    for step in case["steps"]:
        try:
            known[step["as"]] = take(client.with_options(**step.get("client", {})), fill(step, known))
        except openai.APIError as error:
            known[step["as"]] = {"error": told(error)}
        except (LookupError, TypeError) as error:  # a reference to what an earlier step did not give
            known[step["as"]] = {"error": {"class": type(error).__name__, "message": str(error)}}
    return known


def take(client: openai.OpenAI, step: dict[str, Any]) -> Any:
    """One call, as plain JSON."""
    values = step.get("with", {})
    if step["call"] in ("get", "post"):
        body = {"body": values} if step["call"] == "post" else {}
        return getattr(client, step["call"])(step["path"], cast_to=object, **body)
    *way, verb = step["call"].split(".")
    room: Any = client
    for name in way:
        room = getattr(room, name)
    room = room.with_raw_response if step.get("raw") else room
    extra = {"extra_body": step["extra"]} if "extra" in step else {}
    stream = {"stream": True} if step.get("stream") else {}
    answer = getattr(room, verb)(*step.get("args", ()), **values, **extra, **stream)
    if step.get("raw"):
        return {"headers": dict(answer.headers), "body": plain(answer.parse())}
    if not step.get("stream"):
        return plain(answer)
    chunks = []
    for chunk in answer:
        chunks.append(plain(chunk))
        if len(chunks) == step.get("cancel_after"):
            answer.close()
            break
    return {"chunks": chunks}


def plain(answer: Any) -> Any:
    """An answer of the client as JSON."""
    if hasattr(answer, "data") and hasattr(answer, "model_dump"):
        return {"data": [each.model_dump(mode="json") for each in answer.data]}
    return answer.model_dump(mode="json") if hasattr(answer, "model_dump") else answer


def told(error: openai.APIError) -> dict[str, Any]:
    """What the client says went wrong."""
    names = ("status_code", "type", "code", "param", "message")
    found = {name: getattr(error, name, None) for name in names}
    return {"class": type(error).__name__, "status": found.pop("status_code"), **found}


def fill(value: Any, known: dict[str, Any]) -> Any:
    """The value with what earlier steps gave in the place of references to it."""
    if isinstance(value, dict):
        if set(value) == {"of"}:
            return find(known, value["of"])
        return {fill(key, known): fill(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, known) for each in value]
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: str(find(known, match[1])), value)
    return value


def find(known: Any, path: str) -> Any:
    """What stands at a path such as ``a.choices.0.text``."""
    for name in path.split("."):
        known = known[int(name)] if isinstance(known, list) else known[name]
    return known


if __name__ == "__main__":
    main()
