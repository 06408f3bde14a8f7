"""A request for the next message of a conversation, with the functions that the model may call."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from octavo.server.routes.schema.sampling import SamplingFields
from octavo.server.routes.schema.strict import Strict, refused, shown


def _check_content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise refused(f"it is {shown(content)}: want a string or a list of text parts")
    for part in content:
        if not isinstance(part, dict) or part.keys() != {"type", "text"} or not isinstance(part["text"], str):
            kind = part.get("type") if isinstance(part, dict) else part
            raise refused(f'it holds a part {shown(kind)}: want parts such as {{"type": "text", "text": "..."}}')
        if part["type"] != "text":
            raise refused(f"it holds a part of type {shown(part['type'])}: want 'text', all that this model reads")
    return content


def _check_maybe(content: Any) -> Any:
    return None if content is None else _check_content(content)


_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    "required": ["type", "text"],
    "additionalProperties": False,
}
_TEXT = [{"type": "string"}, {"type": "array", "items": _PART}]
Content = Annotated[Any, AfterValidator(_check_content), WithJsonSchema({"anyOf": _TEXT})]
MaybeContent = Annotated[Any, AfterValidator(_check_maybe), WithJsonSchema({"anyOf": [*_TEXT, {"type": "null"}]})]


class FunctionCall(Strict):
    """Which function was called; ``arguments`` are JSON, written as a string."""

    name: str
    arguments: str


class ToolCall(Strict):
    """One call that the model made; ``index`` is what a stream counted it by."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall
    index: int | None = None


class SystemMessage(Strict):
    """What the model is told before anything else."""

    role: Literal["system", "developer"]
    content: Content
    name: str | None = None


class UserMessage(Strict):
    """What the user says."""

    role: Literal["user"]
    content: Content
    name: str | None = None


class AssistantMessage(Strict):
    """What the model said: text, or calls of functions; the other fields are as answers have them, and hold nothing."""

    role: Literal["assistant"]
    content: MaybeContent = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    refusal: None = None
    audio: None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None
    function_call: None = None


class ToolMessage(Strict):
    """What a called function gave."""

    role: Literal["tool"]
    content: Content
    tool_call_id: str | None = None
    name: str | None = None


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class Function(Strict):
    """A function that the model may call; ``parameters`` is a JSON schema of an object."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    """Something that the model may call."""

    type: Literal["function"]
    function: Function


class FunctionName(Strict):
    """A function by its name."""

    name: str


class NamedTool(Strict):
    """The one tool that must be called."""

    type: Literal["function"]
    function: FunctionName


class ChatRequest(SamplingFields):
    """Asks for the next message, ``n`` times; ``max_completion_tokens`` is the newer name of ``max_tokens``."""

    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True)]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    add_generation_prompt: bool | None = None
    tools: Annotated[list[Tool], Field(fail_fast=True)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    modalities: list[Literal["text"]] | None = None
