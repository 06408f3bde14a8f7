"""What answers look like: the description that /openapi.json gives, to which the tests hold every real answer."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Reply(BaseModel):
    """An object of an answer; it has no other fields than these."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Reply):
    """What went wrong: for a person, by kind, and in which field."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(Reply):
    """Any refusal."""

    error: ErrorDetail


class Usage(Reply):
    """Tokens that were read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


Experts = list[list[list[int]]]
Numbers = list[list[list[float]]]


class Routed(Reply):
    """The experts of each token in each layer, in rank order; a token that was chosen and not read has -1 and 0."""

    token_ids: list[int] | None = None
    tokens: list[str] | None = None
    routed_experts: Experts | None = None
    routed_weights: Numbers | None = None
    router_logits: Numbers | None = None


class RoutedPrompt(Reply):
    """The same of a prompt."""

    prompt_token_ids: list[int] | None = None
    prompt_tokens: list[str] | None = None
    prompt_routed_experts: Experts | None = None
    prompt_routed_weights: Numbers | None = None
    prompt_router_logits: Numbers | None = None
    prompt_logprobs: list[dict[str, Any] | None] | None = None


class CompletionLogprobsReply(Reply):
    """One entry a token in each list; null for the first token of a prompt."""

    text_offset: list[int]
    token_logprobs: list[float | None]
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None]


class CompletionChoice(Routed, RoutedPrompt):
    """One completion; with several prompts, what concerns its prompt stands here."""

    index: int
    text: str
    logprobs: CompletionLogprobsReply | None
    finish_reason: Literal["stop", "length", "abort", "error"] | None
    stop_reason: int | str | None


class Completion(RoutedPrompt):
    """The completions of all prompts, ``n`` for the first, then ``n`` for the second, and so on."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


class TopLogprob(Reply):
    """A token that might have stood there; ``bytes`` is null for one that is no text."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChatLogprob(TopLogprob):
    """A token that stands there, and the likeliest."""

    top_logprobs: list[TopLogprob]


class ChatLogprobsReply(Reply):
    """One entry a token."""

    content: list[ChatLogprob]
    refusal: None


class CalledFunction(Reply):
    """A function's name and its arguments, JSON in a string."""

    name: str
    arguments: str


class CalledTool(Reply):
    """One call."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class ChatMessage(Reply):
    """What the model says; ``content`` is null where it only calls functions."""

    role: Literal["assistant"]
    content: str | None
    refusal: None = None
    tool_calls: list[CalledTool] | None = None


class ChatChoice(Routed):
    """One reply."""

    index: int
    message: ChatMessage
    logprobs: ChatLogprobsReply | None
    finish_reason: Literal["stop", "length", "tool_calls", "abort", "error"]
    stop_reason: int | str | None


class ChatCompletion(RoutedPrompt):
    """The replies to a conversation."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class ModelCard(Reply):
    """One name of the model, and how many tokens a prompt and its output may have together."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    parent: None
    max_model_len: int | None


class ModelList(Reply):
    """The model under its names."""

    object: Literal["list"]
    data: list[ModelCard]


class Tokenized(Reply):
    """The token ids of a text; ``token_strs`` spells them when it was asked for."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class Detokenized(Reply):
    """The text of token ids."""

    prompt: str


class TokenizerInfo(BaseModel):
    """tokenizer_config.json, with the named special tokens as texts."""

    model_config = ConfigDict(extra="allow")

    tokenizer_class: str
    bos_token: str | None
    eos_token: str | None
    chat_template: str | None = None


class Health(Reply):
    """The state of the engine."""

    status: Literal["loading", "ready", "draining", "dead"]


class Version(Reply):
    """The version of Octavo."""

    version: str


class Load(Reply):
    """How much goes on: requests in the engine's hands, and pages of its cache."""

    server_load: int = Field(description="sequences that run or wait")
    running: int
    waiting: int
    pages_used: int
    pages_cached: int
    pages_total: int
