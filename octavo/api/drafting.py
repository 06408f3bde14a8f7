"""Drafter: from what a caller says, texts or messages, to requests of token ids and the drafts of their results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octavo.api.drafts import RequestDraft
from octavo.api.prompts import Prompt
from octavo.config import ModelConfig
from octavo.engine.params import SamplingParams
from octavo.engine.request import Request
from octavo.errors import RequestError
from octavo.tokenizer import StreamDecoder, Tokenizer

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafter:
    """What turns prompts into requests for one model, and back; a model without a tokenizer takes token ids only."""

    config: ModelConfig
    tokenizer: Tokenizer | None
    eos_token_ids: frozenset[int]

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text prompt; raises RequestError where there is no tokenizer."""
        if self.tokenizer is None:
            raise RequestError("the prompt is text, but this model has no tokenizer: want token ids, or a tokenizer")
        return self.tokenizer.encode(text)

    def conversation(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Message] | None = None,
    ) -> Prompt:
        """The prompt that asks for the next reply; raises RequestError for messages that the chat format refuses."""
        if self.tokenizer is None:
            raise RequestError("messages were given, but this model has no tokenizer: give token ids to generate")
        ids = self.tokenizer.encode_chat(messages, add_generation_prompt=add_generation_prompt, tools=tools)
        # A reply is a text of its own, so the space that some tokenizers put before a text is none of it.
        return Prompt(self.tokenizer.decode(ids, skip_special_tokens=False), tuple(ids), starts_text=True)

    def draft(self, request_id: str, prompt: Prompt, params: SamplingParams) -> RequestDraft:
        """A request for ``prompt`` and the draft of its result."""
        if params.stop_strings and self.tokenizer is None:
            raise RequestError("stop is set, but this model has no tokenizer: use stop_token_ids")
        request = Request(
            request_id=request_id,
            prompt_token_ids=prompt.token_ids,
            params=params,
            eos_token_ids=self.eos_token_ids,
        )
        tokenizer = self.tokenizer

        def decoder() -> StreamDecoder | None:
            if tokenizer is None:
                return None
            return tokenizer.stream(skip_special_tokens=params.skip_special_tokens, starts_text=self.begins(prompt))

        return RequestDraft(request, self.config, prompt=prompt.text, spell=self.spell, decoder=decoder)

    def begins(self, prompt: Prompt) -> bool:
        """Whether what follows ``prompt`` begins a text, so that no space stands before it."""
        assert self.tokenizer is not None
        return prompt.starts_text or self.tokenizer.special_ids.issuperset(prompt.token_ids)

    def spell(self, token_id: int) -> str | None:
        """One token's text; None where the tokenizer has none, as for the ids that pad a model's vocabulary."""
        if self.tokenizer is None or token_id >= self.tokenizer.vocab_size:
            return None
        return self.tokenizer.token_text(token_id) if self.tokenizer.vocabulary.tokens[token_id] else None
