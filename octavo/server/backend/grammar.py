"""Grammars: what an output's text must look like, as a request says it."""

from dataclasses import dataclass
from typing import Literal

GrammarKind = Literal["json_schema", "json_object", "regex"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarSpec:
    """A text's form: a JSON schema (``source`` is its JSON), any JSON object (``source`` is empty), or a regex."""

    kind: GrammarKind
    source: str = ""
