"""Front: what the HTTP side knows of the model without its weights: its names, its tokenizer, its chat format.

Encoding may take seconds for a long text, and a folder's chat template runs in a process of its own: both happen in
threads, so that the event loop goes on. What cannot fit is refused before it is encoded.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from octavo.api.drafting import Drafter
from octavo.api.opening import describe_model
from octavo.api.prompts import Prompt
from octavo.config import ModelConfig
from octavo.errors import RequestError
from octavo.server.backend.service import ServiceFacts
from octavo.tokenizer import Tokenizer

# Characters that are encoded in less time than a thread takes to be asked.
SHORT = 512
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A model that runs elsewhere; ``names`` are what requests may call it, ``longest_piece`` is its longest token's
    text in bytes, by which a text's length has a lower bound in tokens."""

    names: tuple[str, ...]
    config: ModelConfig
    tokenizer: Tokenizer | None
    longest_piece: int
    created: int = field(default_factory=lambda: int(time.time()))

    def drafter(self, facts: ServiceFacts) -> Drafter:
        """What turns prompts into requests for the engine that has ``facts``."""
        return Drafter(config=facts.config, tokenizer=self.tokenizer, eos_token_ids=facts.eos_token_ids)

    async def read_text(self, text: str, facts: ServiceFacts, *, special: bool = True) -> Prompt:
        """A text prompt, with what the folder puts around one unless ``special`` is False; raises RequestError."""
        tokenizer = self._spelled()
        self.check_length(len(text.encode("utf-8", "surrogatepass")), facts)
        add_bos = None if special else False
        return Prompt(text, tuple(await aside(lambda: tokenizer.encode(text, add_bos=add_bos), len(text) > SHORT)))

    async def read_messages(
        self,
        messages: Sequence[Mapping[str, Any]],
        facts: ServiceFacts,
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> Prompt:
        """A conversation as a prompt; raises RequestError."""
        self._spelled()
        self.check_length(sum(map(_size, (*(message.get("content") for message in messages), tools or ()))), facts)
        drafter = self.drafter(facts)
        return await aside(
            lambda: drafter.conversation(messages, add_generation_prompt=add_generation_prompt, tools=tools), True
        )

    def check_length(self, num_bytes: int, facts: ServiceFacts) -> None:
        """Raises RequestError for a text that cannot fit, however well it is encoded."""
        least = -(-num_bytes // self.longest_piece)
        if least > facts.max_model_len:
            raise RequestError(
                f"the prompt of {num_bytes} bytes is at least {least} tokens long: want at most "
                f"{facts.max_model_len - 1}, since the model's length is {facts.max_model_len}; shorten it"
            )

    def _spelled(self) -> Tokenizer:
        if self.tokenizer is None:
            raise RequestError("this model has no tokenizer: give prompts as lists of token ids to /v1/completions")
        return self.tokenizer


def open_front(
    model: str | None = None,
    *,
    tokenizer: str | None = None,
    revision: str | None = None,
    names: Sequence[str] = (),
) -> Front:
    """Reads what is known of a model without its weights; raises what ``LLM`` raises for one that cannot be opened."""
    described = describe_model(model, tokenizer=tokenizer, revision=revision)
    return make_front(names or (model or "octavo-mini",), described.config, described.tokenizer)


def make_front(names: Sequence[str], config: ModelConfig, tokenizer: Tokenizer | None) -> Front:
    """The front of a model whose parts are at hand."""
    pieces = tokenizer.vocabulary.pieces if tokenizer is not None else ()
    longest = max(map(len, pieces), default=1)
    return Front(names=tuple(names), config=config, tokenizer=tokenizer, longest_piece=max(1, longest))


async def aside(work: Callable[[], Value], long: bool) -> Value:
    """What ``work`` gives, in a thread where it may take long."""
    return await asyncio.to_thread(work) if long else work()


def _size(value: object) -> int:
    """Bytes of the text in a message's content or in the functions that are offered, as far as prompts repeat it."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        return sum(_size(inner) for name, inner in value.items() if name != "type")
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 0
