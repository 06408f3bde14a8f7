"""What completions and chats may ask alike: how to choose tokens, when to stop, what to report, and how to send it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from octavo.server.routes.schema.strict import Ids, Strict, refused, shown


def _check_stop(stop: Any) -> Any:
    texts = [stop] if isinstance(stop, str) else stop
    if texts is not None and not isinstance(texts, list):
        raise refused(f"stop is {shown(stop)}: want a string or a list of strings")
    for text in texts or ():
        if not isinstance(text, str):
            raise refused(f"stop holds {shown(text)}: want strings only")
    return stop


STRING_OR_STRINGS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}
Stop = Annotated[Any, AfterValidator(_check_stop), WithJsonSchema(STRING_OR_STRINGS)]


class StreamOptions(Strict):
    """What a stream tells beside the text: ``include_usage`` counts at its end, ``continuous_usage_stats`` always."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(Strict):
    """A JSON schema that the text is kept to."""

    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | bool | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    """The form of the text: any, any JSON object, what a JSON schema allows, or what a regular expression matches."""

    type: Literal["text", "json_object", "json_schema", "regex"]
    json_schema: JsonSchema | None = None
    pattern: str | None = None


class StructuredOutputs(Strict):
    """The form of the text in vLLM's words; exactly one of them."""

    json_: dict[str, Any] | str | bool | None = Field(None, alias="json")
    regex: str | None = None
    choice: list[str] | None = None
    json_object: bool | None = None


class SamplingFields(Strict):
    """The fields that completions and chats share; null is the default of each."""

    model: str | None = None
    n: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: Stop = None
    stop_token_ids: Ids | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    include_stop_str_in_output: bool | None = None
    prompt_logprobs: int | None = None

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    return_token_ids: bool | None = None
    routing: bool | None = None
    return_routed_experts: bool | None = None
    router_logits: bool | None = None

    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: dict[str, Any] | str | bool | None = None
    guided_regex: str | None = None
    guided_choice: list[str] | None = None

    # Clients send these to their provider's own bookkeeping; nothing here depends on them.
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @property
    def wants_routing(self) -> bool:
        """Whether the experts of each token are to be reported."""
        return bool(self.routing or self.return_routed_experts)

    @property
    def stops(self) -> list[str]:
        """The stop strings."""
        return [] if self.stop is None else [self.stop] if isinstance(self.stop, str) else self.stop
