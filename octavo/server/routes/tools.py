"""Tools: the functions that a chat may call, and the calls that the model writes, read as they come.

    [TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Lyon"}}, ...]

The mark is a control token, which no text of a user can become; what follows it is read character by character, so that
a stream and a whole answer say the same. A call is told when its name is known, its arguments as they are written.
"""

import json
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from octavo.server.backend.grammar import GrammarSpec
from octavo.server.routes.schema.bounds import FieldError
from octavo.server.routes.schema.chat import ChatRequest, NamedTool, Tool
from octavo.server.routes.schema.strict import nearest, shown
from octavo.tokenizer import Tokenizer

MARK = "[TOOL_CALLS]"
ID_CHARACTERS = string.ascii_letters + string.digits
ID_LENGTH = 9
BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The functions that the model may call: ``tools`` as its chat format takes them; ``mark_id`` announces calls.

    ``forced`` keeps it to calling: its output is then the calls alone, in the form of ``grammar``. ``most`` is how many
    calls are told, None all of them.
    """

    tools: tuple[dict[str, Any], ...]
    mark_id: int
    forced: bool
    grammar: GrammarSpec | None
    most: int | None


def read_offer(body: ChatRequest, tokenizer: Tokenizer | None) -> Offer | None:
    """What a chat offers, None where it offers nothing; raises FieldError where the model cannot call, or the choice
    names what is not offered."""
    choice = body.tool_choice
    if not body.tools:
        if choice not in (None, "none", "auto"):
            raise FieldError("tool_choice wants a call, but tools is empty: offer some", "tool_choice")
        return None
    if choice == "none":
        return None
    mark_id = None if tokenizer is None else tokenizer.vocabulary.control.get(MARK)
    if mark_id is None:
        raise FieldError(f"tools are offered, but this model's tokenizer has no {MARK}: leave them out", "tools")
    wanted: Sequence[Tool] = body.tools
    if isinstance(choice, NamedTool):
        wanted = [tool for tool in body.tools if tool.function.name == choice.function.name]
        if not wanted:
            hint = nearest(choice.function.name, (tool.function.name for tool in body.tools))
            found = f"tool_choice names {shown(choice.function.name)}, which tools does not have"
            raise FieldError(f"{found}: {hint}", "tool_choice")
    forced = choice == "required" or isinstance(choice, NamedTool)
    single = isinstance(choice, NamedTool) or body.parallel_tool_calls is False
    return Offer(
        tools=tuple(as_offered(tool) for tool in body.tools),
        mark_id=mark_id,
        forced=forced,
        grammar=_grammar(wanted, 1 if single else None) if forced else None,
        most=1 if body.parallel_tool_calls is False else None,
    )


def as_offered(tool: Tool) -> dict[str, Any]:
    """A function as chat formats take it."""
    function = tool.function
    described = {"name": function.name, "description": function.description or ""}
    return {"type": "function", "function": {**described, "parameters": function.parameters or {}}}


def _grammar(tools: Sequence[Tool], most: int | None) -> GrammarSpec:
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool.function.name},
                "arguments": tool.function.parameters or {"type": "object"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    schema: dict[str, Any] = {"type": "array", "items": {"anyOf": calls}, "minItems": 1}
    if most is not None:
        schema["maxItems"] = most
    return GrammarSpec(kind="json_schema", source=json.dumps(schema, ensure_ascii=False))


def new_call_id() -> str:
    """Nine letters and digits, as the chat formats want them."""
    return "".join(secrets.choice(ID_CHARACTERS) for _ in range(ID_LENGTH))


@dataclass(slots=True, kw_only=True)
class Call:
    """A call so far; ``told`` says whether its name went out, ``unsent`` are arguments that did not."""

    id: str
    name: str | None = None
    arguments: str = ""
    unsent: str = ""

    def whole(self) -> dict[str, Any]:
        """The call as a whole answer has it."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


class CallReader:
    """Reads calls from the text after the mark; ``calls`` are those whose names are known, at most ``most``."""

    def __init__(self, most: int | None = None) -> None:
        self.calls: list[Call] = []
        self.text = ""
        self._most = most
        self._place = self._before_list
        self._open: Call | None = None
        self._key = ""
        self._raw = ""
        self._depth = 0
        self._quoted = self._escaped = False

    def push(self, text: str) -> list[dict[str, Any]]:
        """Reads on, and gives what a stream tells of it."""
        self.text += text
        known = len(self.calls)
        for character in text:
            self._place(character)
        told = []
        for index, call in enumerate(self.calls):
            arguments, call.unsent = call.unsent, ""
            if index >= known:
                head = {"index": index, "id": call.id, "type": "function"}
                told.append({**head, "function": {"name": call.name, "arguments": arguments}})
            elif arguments:
                told.append({"index": index, "function": {"arguments": arguments}})
        return told

    def _before_list(self, character: str) -> None:
        if character == "[":
            self._place = self._in_list
        elif character == "{":
            self._begin()
        elif character not in BLANKS:
            self._place = self._nowhere

    def _in_list(self, character: str) -> None:
        if character == "{":
            self._begin()
        elif character not in BLANKS + ",":
            self._place = self._nowhere

    def _begin(self) -> None:
        self._open = Call(id=new_call_id())
        self._place = self._in_call

    def _in_call(self, character: str) -> None:
        if character == '"':
            self._raw, self._place = character, self._in_key
        elif character == "}":
            self._end_call()
        elif character not in BLANKS + ",":
            self._place = self._nowhere

    def _in_key(self, character: str) -> None:
        if self._quotes(character):
            self._key, self._raw, self._place = str(_loaded(self._raw)), "", self._after_key

    def _after_key(self, character: str) -> None:
        if character == ":":
            self._place = self._before_value
        elif character not in BLANKS:
            self._place = self._nowhere

    def _before_value(self, character: str) -> None:
        if character in BLANKS:
            return
        self._raw, self._depth, self._place = "", 0, self._in_value
        self._in_value(character)

    def _in_value(self, character: str) -> None:
        if self._raw[:1] == '"':
            if self._quotes(character):
                self._end_value()
            return
        if self._raw[:1] in ("{", "["):
            self._nested(character)
            return
        if character in ",}" and self._raw:
            self._end_value()
            self._in_call(character)
            return
        self._raw += character
        self._depth = int(character in "{[")
        self._pass_on(character)

    def _nested(self, character: str) -> None:
        self._raw += character
        self._pass_on(character)
        if self._quoted:
            self._quoted = self._escaped or character != '"'
            self._escaped = not self._escaped and character == "\\"
            return
        self._quoted = character == '"'
        self._depth += (character in "{[") - (character in "}]")
        if not self._depth:
            self._end_value()

    def _quotes(self, character: str) -> bool:
        """Reads on in a string; whether it has come to its end."""
        self._raw += character
        end = character == '"' and not self._escaped
        self._escaped = not self._escaped and character == "\\"
        return end

    def _pass_on(self, arguments: str) -> None:
        if self._key == "arguments" and self._raw[:1] == "{" and self._open is not None:
            self._open.arguments += arguments
            self._open.unsent += arguments

    def _end_value(self) -> None:
        call = self._open
        assert call is not None
        if self._key == "name":
            name = _loaded(self._raw)
            if isinstance(name, str) and call.name is None:
                call.name = name
                if self._most is None or len(self.calls) < self._most:
                    self.calls.append(call)
        elif self._key == "arguments" and self._raw[:1] != "{":
            # Some models write them as a string, as the API has them.
            given = _loaded(self._raw)
            call.arguments = call.unsent = given if isinstance(given, str) else self._raw
        self._key, self._place = "", self._in_call

    def _end_call(self) -> None:
        call = self._open
        assert call is not None
        if not call.arguments:
            call.arguments = call.unsent = "{}"
        self._open, self._place = None, self._in_list

    def _nowhere(self, character: str) -> None:
        """What follows something that is no JSON is not read."""


def _loaded(raw: str) -> Any:
    try:
        return json.loads(raw, strict=False)
    except ValueError:
        return None
