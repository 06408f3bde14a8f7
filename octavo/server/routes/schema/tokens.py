"""Requests about token ids alone, in vLLM's words."""

from typing import Annotated

from pydantic import Field

from octavo.server.routes.schema.chat import Message, Tool
from octavo.server.routes.schema.strict import Ids, Strict


class TokenizeRequest(Strict):
    """Asks for the token ids of a text (``prompt``) or of a conversation (``messages``), one of the two."""

    model: str | None = None
    prompt: str | None = None
    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True)] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    tools: Annotated[list[Tool], Field(fail_fast=True)] | None = None
    return_token_strs: bool | None = None


class DetokenizeRequest(Strict):
    """Asks for the text of token ids."""

    model: str | None = None
    tokens: Ids
