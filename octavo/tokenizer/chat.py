"""From a conversation to ids: Mistral's formats v1, v2, v3 and v7, or the chat template of a folder.

    v1   <s>▁[INST]▁SYSTEM⏎⏎USER▁[/INST]▁REPLY</s>            the marks are text; the system is in the first question
    v2   <s>[INST]▁SYSTEM⏎⏎USER[/INST]▁REPLY</s>              the marks are control tokens; it is in the last question
    v3   the same as v2; functions and their calls as octavo.tokenizer.calling has them
    v7   <s>[SYSTEM_PROMPT]▁SYSTEM[/SYSTEM_PROMPT][INST]▁USER[/INST]▁REPLY</s>   each system message where it stands

With tekken, which puts no space before a text, the ▁ fall away. Only marks that the format or the template writes
become control ids; what a message says is text, whatever it spells.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, Protocol

from octavo.errors import RequestError, TokenizerError
from octavo.tokenizer.calling import MARKS, check_results, spell_calls, spell_result, spell_tools
from octavo.tokenizer.encoder import Encoder
from octavo.tokenizer.messages import Message, check_messages, check_plain
from octavo.tokenizer.template import ChatTemplate
from octavo.tokenizer.vocabulary import Vocabulary

VERSIONS = ("v1", "v2", "v3", "v7")

_FOLLOWERS = {
    "system": ("system", "user", "assistant"),
    "user": ("system", "user", "assistant"),
    "assistant": ("user", "assistant", "tool"),
    "tool": ("user", "assistant", "tool"),
}
_MARKS = {"system": "SYSTEM_PROMPT", "tool": "TOOL_RESULTS"}


class ChatFormat(Protocol):
    """Turns messages into the ids of a prompt."""

    def encode(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[int]:
        """Gives the ids of a conversation, ready for the model's reply if ``add_generation_prompt``. Raises
        RequestError if it is not one that the format takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MistralFormat:
    """One of Mistral's own formats, with the ids of mistral-common."""

    version: str
    encoder: Encoder
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        wanted = ["<s>", "</s>"]
        wanted += ["[INST]", "[/INST]"] if self.version != "v1" else []
        wanted += ["[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"] if self.version == "v7" else []
        missing = [token for token in wanted if token not in self.vocabulary.control]
        assert self.version in VERSIONS
        if missing:
            raise TokenizerError(
                f"chat format {self.version} was found with a vocabulary that lacks {', '.join(missing)}, all of them "
                "were wanted; name the file after its true version"
            )

    def encode(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[int]:
        """Gives the ids of ``messages``: neighbours of one role count as one message, two line ends between them."""
        checked = check_messages(messages)
        self._check_turns(checked, add_generation_prompt, tools)
        turns = self._turns(checked)
        last = max((place for place, (role, _) in enumerate(turns) if role == "user"), default=-1)
        control = self.vocabulary.control
        ids = [control["<s>"]]
        for place, (role, text) in enumerate(turns):
            if role == "user":
                ids += self._marked("AVAILABLE_TOOLS", spell_tools(tools)) if tools and place == last else []
                ids += self._marked("INST", text)
            elif role in _MARKS:
                ids += self._marked(_MARKS[role], text)
            elif role == "calls":
                ids += [control["[TOOL_CALLS]"], *self.encoder.encode(text), control["</s>"]]
            else:
                ids += self.encoder.encode(text if self.version == "v1" else text.rstrip(" "))
                ids.append(control["</s>"])
        return ids

    def _check_turns(self, messages: list[Message], add_generation_prompt: bool, tools: object) -> None:
        calling = tools or any(message.role == "tool" or message.rest.get("tool_calls") for message in messages)
        if calling and (self.version != "v3" or not self.vocabulary.control.keys() >= {*MARKS}):
            raise RequestError(
                f"tools were found, chat format {self.version} takes system, user and assistant texts; use a model "
                "folder with a tokenizer of version v3, or with a chat template for tools"
            )
        if messages[0].role == "assistant":
            raise RequestError("messages[0]: role 'assistant' was found, 'system' or 'user' was wanted; begin with one")
        for index, (before, after) in enumerate(pairwise(messages), start=1):
            if after.role not in _FOLLOWERS[before.role]:
                raise RequestError(
                    f"messages[{index}]: role {after.role!r} after {before.role!r} was found, "
                    f"{' or '.join(map(repr, _FOLLOWERS[before.role]))} was wanted; reorder the messages"
                )
        check_results(messages)
        for index, message in enumerate(messages):
            if message.role in ("system", "assistant") and not message.text("") and not message.rest.get("tool_calls"):
                raise RequestError(f"messages[{index}]: an empty {message.role} message was found; leave it out")
        if add_generation_prompt and messages[-1].role == "assistant":
            raise RequestError(
                f"messages[{len(messages) - 1}]: role 'assistant' was found at the end, 'user' was wanted; add a "
                "question, or give add_generation_prompt=False"
            )

    def _turns(self, messages: list[Message]) -> list[tuple[str, str]]:
        """Gives role and text of each turn, with the system prompt where the version puts it."""
        turns: list[tuple[str, str]] = []
        for role, group in groupby(messages, key=lambda message: message.role):
            turns += _said(role, list(group))
        if self.version == "v7":
            return turns
        system = _joined([text for role, text in turns if role == "system"])
        turns = [turn for turn in turns if turn[0] != "system"]
        if not turns or turns[0][0] != "user":
            turns.insert(0, ("user", ""))
        users = [index for index, (role, _) in enumerate(turns) if role == "user"]
        at = users[0] if self.version == "v1" else users[-1]
        if system:
            turns[at] = ("user", f"{system}\n\n{turns[at][1]}")
        return turns

    def _marked(self, name: str, text: str) -> list[int]:
        if self.version == "v1":
            return self.encoder.encode(f"[{name}] {text} [/{name}]")
        control = self.vocabulary.control
        return [control[f"[{name}]"], *self.encoder.encode(text), control[f"[/{name}]"]]


def _said(role: str, messages: list[Message]) -> list[tuple[str, str]]:
    """Gives the turns of neighbours with one role: one for each system message and result, else one for all."""
    if role == "tool":
        return [("tool", spell_result(message)) for message in messages]
    texts = [message.text("\n\n") for message in messages]
    calls = spell_calls(messages) if role == "assistant" else ""
    if calls and any(texts):
        raise RequestError("an assistant's text and tool_calls were found together, one of them was wanted")
    if calls:
        return [("calls", calls)]
    return [(role, text) for text in texts] if role == "system" else [(role, _joined(texts))]


def _joined(texts: list[str]) -> str:
    return "\n\n".join(text for text in texts if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFormat:
    """The chat template of a folder, with the ids that transformers gives, except that text of messages stays text.

    The characters that begin and end control tokens, such as < and ], travel through the template as others for
    private use, which occur nowhere else, and come back afterwards. So a template may cut, join or trim what it is
    given, and still nothing that begins or ends in a message can be taken for a mark. A template that looks for
    brackets inside a message does not find them.
    """

    template: ChatTemplate
    encoder: Encoder
    vocabulary: Vocabulary
    special: Mapping[str, str]
    takes_space: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)

    def encode(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[int]:
        """Gives the ids of ``messages`` as the template writes them."""
        check_plain(tools, "tools")
        if tools and not self.template.speaks_of("tools"):
            raise RequestError(f"tools were found, but {self.template.where} says nothing of them; leave them out")
        given = {"messages": [_as_given(message) for message in check_messages(messages)], "tools": tools or None}
        away, back = _disguise(self.vocabulary.control, given)
        variables = {
            **self.special,
            "messages": [{**_translated(rest, away), "role": rest["role"]} for rest in given["messages"] or ()],
            "tools": _translated(given["tools"], away),
            "documents": None,
            "add_generation_prompt": add_generation_prompt,
        }
        return self._ids(self.template.render(variables), back)

    def _ids(self, text: str, back: Mapping[int, str]) -> list[int]:
        control = self.vocabulary.control
        marks = sorted(control, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, marks)) or r"(?!)")
        ids: list[int] = []
        at, strips_left = 0, False
        for match in [*pattern.finditer(text), None]:
            run = text[at : match.start() if match else len(text)]
            left, right = self.takes_space.get(match[0], (False, False)) if match else (False, False)
            run = run.lstrip() if strips_left else run
            run = (run.rstrip() if left else run).translate(back)
            if run:
                ids += self.encoder.encode(run, first=at == 0)
            if match:
                ids.append(control[match[0]])
                at, strips_left = match.end(), right
        return ids


def _as_given(message: Message) -> dict[str, Any]:
    content = None if message.parts is None else message.text("\n")
    return {**message.rest, "role": message.role, "content": content}


def _disguise(control: Mapping[str, int], given: object) -> tuple[dict[int, str], dict[int, str]]:
    """Gives the translation of the first and last character of each control token to ones that ``given`` has nowhere,
    and back."""
    telling = {end for token in control if token for end in (token[0], token[-1])}
    used = _characters(given)
    free = (chr(code) for code in range(0xF0000, 0x10FFFE) if chr(code) not in used)
    away = {ord(char): next(free) for char in sorted(telling)}
    return away, {ord(disguised): chr(code) for code, disguised in away.items()}


def _characters(value: object) -> set[str]:
    """Gives the characters of ``value`` in the private planes."""
    if isinstance(value, str):
        return {char for char in value if char >= "\U000f0000"}
    if isinstance(value, Mapping):
        return set().union(*(_characters(part) for pair in value.items() for part in pair))
    if isinstance(value, list | tuple):
        return set().union(*map(_characters, value))
    return set()


def _translated(value: Any, table: Mapping[int, str]) -> Any:
    """Gives ``value`` with the text in it translated."""
    if isinstance(value, str):
        return value.translate(table)
    if isinstance(value, Mapping):
        # A template asks for fields by their names, so plain names stay.
        return {
            key if key.isidentifier() else key.translate(table): _translated(inner, table)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_translated(inner, table) for inner in value]
    return value
