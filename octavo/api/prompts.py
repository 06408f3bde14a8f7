"""The forms in which a caller may give prompts, read into one: token ids, and the text when there was one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from octavo.errors import RequestError


class TokensPrompt(TypedDict):
    """A prompt of token ids, as vLLM spells it."""

    prompt_token_ids: Sequence[int]


class TextPrompt(TypedDict):
    """A prompt of text, as vLLM spells it."""

    prompt: str


PromptType = str | Sequence[int] | TokensPrompt | TextPrompt


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: its text, None when it came as ids, and its token ids.

    ``starts_text`` says that what follows it is a text of its own rather than its continuation.
    """

    text: str | None
    token_ids: tuple[int, ...]
    starts_text: bool = False


def read_prompts(prompts: object, encode: Callable[[str], Sequence[int]]) -> list[Prompt]:
    """Reads one prompt or a list of them; a list of whole numbers is one prompt of token ids.

    Raises RequestError, naming the prompt by its place, for what is none.
    """
    if isinstance(prompts, str | Mapping) or _is_ids(prompts):
        return [_read(prompts, encode)]
    if not isinstance(prompts, Sequence) or isinstance(prompts, bytes):
        raise RequestError(f"the prompt is a {type(prompts).__name__}: {WANTED}")
    read = []
    for place, prompt in enumerate(prompts):
        try:
            read.append(_read(prompt, encode))
        except RequestError as error:
            raise RequestError(f"prompt {place}: {error}") from None
    return read


def read_conversations(messages: object) -> list[Sequence[Mapping[str, Any]]]:
    """Reads one conversation, a list of messages, or a list of them; raises RequestError for what is neither."""
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes) or not messages:
        raise RequestError(f"the messages are {messages!r:.80}: want a list of dicts with role and content")
    several = [isinstance(one, Sequence) and not isinstance(one, str | bytes) for one in messages]
    if any(several) and not all(several):
        raise RequestError("messages holds both messages and lists of them: want one conversation, or a list of them")
    return list(messages) if all(several) else [messages]


WANTED = "want a string, a list of token ids, a dict with prompt_token_ids or prompt, or a list of these"


def _is_ids(prompt: object) -> bool:
    return isinstance(prompt, Sequence) and len(prompt) > 0 and isinstance(prompt[0], int)


def _read(prompt: object, encode: Callable[[str], Sequence[int]]) -> Prompt:
    if isinstance(prompt, Mapping):
        if "prompt_token_ids" in prompt:
            return _ids(prompt["prompt_token_ids"])
        if isinstance(prompt.get("prompt"), str):
            return _read(prompt["prompt"], encode)
        raise RequestError(f"the prompt is a dict with {', '.join(map(repr, prompt)) or 'nothing'}: {WANTED}")
    if isinstance(prompt, str):
        return Prompt(prompt, tuple(encode(prompt)))
    return _ids(prompt)


def _ids(ids: object) -> Prompt:
    if not isinstance(ids, Sequence) or isinstance(ids, str | bytes):
        raise RequestError(f"the prompt is a {type(ids).__name__}: {WANTED}")
    for token in ids:
        if not isinstance(token, int) or isinstance(token, bool):
            raise RequestError(f"the prompt holds {token!r:.80}: want token ids, which are whole numbers")
    return Prompt(None, tuple(ids))
