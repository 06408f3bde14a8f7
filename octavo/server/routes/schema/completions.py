"""A request for the completion of one prompt or of several."""

from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from octavo.server.routes.schema.sampling import SamplingFields
from octavo.server.routes.schema.strict import refused, shown

WANTED = "want a string, a list of strings, a list of token ids, or a list of lists of token ids"


def _check_prompt(prompt: Any) -> Any:
    if isinstance(prompt, str):
        return prompt
    if not isinstance(prompt, list):
        raise refused(f"prompt is {shown(prompt)}: {WANTED}")
    if not prompt:
        raise refused(f"prompt is an empty list: {WANTED}")
    if _is_id(prompt[0]):
        return _check_ids(prompt, "prompt")
    for place, one in enumerate(prompt):
        if type(one) is not type(prompt[0]) or not isinstance(one, str | list):
            raise refused(f"prompt[{place}] is {shown(one)}: {WANTED}")
        if isinstance(one, list):
            _check_ids(one, f"prompt[{place}]")
    return prompt


def _check_ids(ids: list[Any], where: str) -> list[int]:
    for place, token in enumerate(ids):
        if not _is_id(token):
            raise refused(f"{where}[{place}] is {shown(token)}: want token ids, which are whole numbers")
    return ids


def _is_id(token: object) -> bool:
    return type(token) is int


_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_FORMS = [
    {"type": "string"},
    {"type": "array", "items": {"type": "string"}, "minItems": 1},
    _TOKENS,
    {"type": "array", "items": _TOKENS, "minItems": 1},
]
PromptField = Annotated[Any, AfterValidator(_check_prompt), WithJsonSchema({"anyOf": _FORMS})]


class CompletionRequest(SamplingFields):
    """Completes each prompt ``n`` times; ``echo`` puts the prompt before the text, and its logprobs before theirs."""

    prompt: PromptField
    echo: bool | None = None
    logprobs: int | None = None
    add_special_tokens: bool | None = None
    best_of: int | None = None
    suffix: str | None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts one by one."""
        single = isinstance(self.prompt, str) or _is_id(self.prompt[0])
        return [self.prompt] if single else self.prompt
