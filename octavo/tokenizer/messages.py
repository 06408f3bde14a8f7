"""The messages of a conversation, checked: who speaks, and what is said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octavo.errors import RequestError
from octavo.tokenizer.encoder import check_unicode

ROLES = ("system", "user", "assistant", "tool")
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn: ``parts`` are the pieces of text of its content, None where it has none; ``rest`` its other fields."""

    role: str
    parts: tuple[str, ...] | None
    rest: Mapping[str, Any]

    def text(self, joint: str) -> str:
        """Gives the content as one text, ``joint`` between its parts."""
        return joint.join(part for part in self.parts or () if part)


def check_messages(messages: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Reads messages as the OpenAI API writes them. Raises RequestError, which names the first that is wrong."""
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise RequestError(
            f"messages of type {type(messages).__name__} were found, a list of objects with role and content was wanted"
        )
    checked = [_check(index, message) for index, message in enumerate(messages)]
    if not checked:
        raise RequestError("no message was found, at least one was wanted; give one with role 'user'")
    return checked


def _check(index: int, message: object) -> Message:
    def refuse(found: str, wanted: str) -> RequestError:
        return RequestError(f"messages[{index}]: {found} was found, {wanted} was wanted; correct the message")

    if not isinstance(message, Mapping):
        raise refuse(type(message).__name__, "an object with role and content")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise refuse(f"role {role!r}"[:80], "one of " + ", ".join(ROLES))
    rest = {key: value for key, value in message.items() if key not in ("role", "content")}
    check_plain(rest, f"messages[{index}]")
    content = message.get("content")
    if content is None and rest.get("tool_calls") and role == "assistant":
        return Message(role=role, parts=None, rest=rest)
    listed = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(listed, Sequence) or isinstance(listed, bytes):
        raise refuse(f"content of type {type(content).__name__}", "text")
    parts = []
    for part in listed:
        if not isinstance(part, Mapping) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise refuse("content that is not text", "text")
        parts.append(part["text"])
    check_plain(parts, f"messages[{index}]")
    return Message(role=role, parts=tuple(parts), rest=rest)


def check_plain(value: object, where: str, depth: int = 0) -> None:
    """Raises RequestError unless ``value`` is plain JSON of well-formed Unicode."""
    if depth > _MAX_DEPTH:
        raise RequestError(f"{where}: a value nested deeper than {_MAX_DEPTH} was found; flatten it")
    if isinstance(value, str):
        try:
            check_unicode(value)
        except RequestError as error:
            raise RequestError(f"{where}: {error}") from None
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise RequestError(f"{where}: a key of type {type(key).__name__} was found, text was wanted")
            check_plain(key, where, depth + 1)
            check_plain(inner, where, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_plain(inner, where, depth + 1)
    elif not (value is None or isinstance(value, bool | int | float)):
        raise RequestError(f"{where}: a value of type {type(value).__name__} was found, plain JSON was wanted")
