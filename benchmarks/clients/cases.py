"""Reads the cases, which are data that all clients share, and puts the server's names and our own texts into them.

{"text": "law/fence.txt", "to": 80}     the beginning of a text of the package
{"repeat": "word ", "times": 9000}      a long text
{model} {second key} {layers} {experts} what a server is called, and so on
{"of": "a.choices.0.text"}              what an earlier step gave: the driver puts it in
"""

import importlib.resources
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STATIC = re.compile(r"\{(model|second key|layers|experts)\}")
Case = dict[str, Any]


def read_cases() -> list[Case]:
    """All cases, in the order of their files; each name stands once."""
    cases: list[Case] = []
    for path in sorted((HERE / "cases").glob("*.json")):
        cases += json.loads(path.read_text(encoding="utf-8"))
    names = [case["name"] for case in cases]
    assert len(set(names)) == len(names), "two cases have one name"
    return cases


def prepare(case: Case, facts: Mapping[str, Any], *, root: str, busy: str) -> Case:
    """A case that a driver can play against the server at ``root``; ``busy`` is where a server refuses at first."""
    ready: Case = put(case, facts)
    for number, step in enumerate(ready["steps"]):
        if "path" in step:
            step["path"] = root + step["path"]
        if step["call"] not in ("get", "post") and not step["call"].startswith("models."):
            step["with"] = {"model": facts["model"]} | step.get("with", {})
        through = step.get("client", {}).pop("through", None)
        if through is not None:
            token = f"{re.sub('[^a-z]+', '-', case['name'].lower())}-{number}"
            step["client"]["base_url"] = f"{busy}/{through['refuse']}-{through['status']}/{token}/v1"
    return ready


def put(value: Any, facts: Mapping[str, Any]) -> Any:
    """The value with our texts and the server's names in it."""
    if isinstance(value, dict):
        if "text" in value and str(value["text"]).endswith(".txt"):
            text = importlib.resources.files("octavo") / "samples" / value["text"]
            return text.read_text(encoding="utf-8")[: value["to"]]
        if set(value) == {"repeat", "times"}:
            return value["repeat"] * value["times"]
        return {key: put(each, facts) for key, each in value.items()}
    if isinstance(value, list):
        return [put(each, facts) for each in value]
    if isinstance(value, str):
        whole = STATIC.fullmatch(value)
        return facts[whole[1]] if whole else STATIC.sub(lambda match: str(facts[match[1]]), value)
    return value
