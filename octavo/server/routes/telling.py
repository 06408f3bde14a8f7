"""Telling: what completions and chats report alike beside the text: token ids, routings, logprobs of the prompt, usage.

With one prompt, what concerns it stands at the top of the answer, under names that begin with ``prompt_``; with
several, in the choices of each. In a stream it comes once, in the first chunk after the prompt was read.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.api.outputs import CompletionDelta, CompletionOutput, RequestOutput, TokenLogprobs
from octavo.server.routes.answering import Job, Serving
from octavo.server.routes.schema.sampling import SamplingFields
from octavo.server.routes.spelling import Speller, prompt_logprobs, routed

# Tokens from which on what is told of them takes its time.
LONG = 2048
ARRAYS = ("routed_experts", "routed_weights", "router_logits")
Told = CompletionDelta | CompletionOutput


class PromptNews:
    """What steps have said of one prompt, kept until it is whole."""

    def __init__(self) -> None:
        self.logprobs: list[TokenLogprobs | None] = []
        self._arrays: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}

    def take(self, told: CompletionDelta | RequestOutput) -> None:
        """Takes in what one delta says of the prompt, or the whole result."""
        self.logprobs += told.prompt_logprobs or ()
        for name, parts in self._arrays.items():
            part = getattr(told, f"prompt_{name}")
            if part is not None:
                parts.append(part)

    def arrays(self) -> dict[str, np.ndarray | None]:
        """The prompt's routings."""
        return {name: np.concatenate(parts) if parts else None for name, parts in self._arrays.items()}


class Extras:
    """What one request wants beside the text."""

    def __init__(self, fields: SamplingFields, serving: Serving) -> None:
        self._routing = fields.wants_routing
        # A model without a tokenizer has nothing else to say.
        self._ids = bool(fields.return_token_ids) or fields.wants_routing or serving.front.tokenizer is None
        self._prompt_logprobs = fields.prompt_logprobs is not None
        self._serving = serving

    @property
    def every_token(self) -> bool:
        """Whether each token has something to report, even one that completes no character."""
        return self._ids

    def of_choice(self, told: Told, speller: Speller | None) -> dict[str, Any]:
        """What a choice reports of its new tokens, or of all; ``speller`` goes on to the next."""
        found: dict[str, Any] = {}
        if self._ids:
            found["token_ids"] = list(told.token_ids)
        if self._routing:
            assert speller is not None
            found["tokens"] = _texts(speller, told.token_ids)
            found |= routed("", {name: getattr(told, name) for name in ARRAYS})
        return found

    def of_prompt(self, job: Job, news: PromptNews) -> dict[str, Any]:
        """What is reported of a prompt."""
        found: dict[str, Any] = {}
        ids = job.draft.request.prompt_token_ids
        if self._ids:
            found["prompt_token_ids"] = list(ids)
        if self._prompt_logprobs:
            found["prompt_logprobs"] = prompt_logprobs(news.logprobs)
        if self._routing:
            speller = Speller(self._serving.front.tokenizer, starts_text=True, skip=False)
            found["prompt_tokens"] = _texts(speller, ids)
            found |= routed("prompt_", news.arrays())
        return found


def _texts(speller: Speller, ids: Sequence[int]) -> list[str]:
    texts = []
    for token_id in ids:
        texts.append(speller.token(token_id))
        speller.go_on(token_id)
    return texts


def usage(jobs: Sequence[Job]) -> dict[str, int]:
    """The tokens of all prompts, each counted once, and of all outputs so far."""
    prompt = sum(len(job.draft.request.prompt_token_ids) for job in jobs)
    completion = sum(len(output.token_ids) for job in jobs for output in job.draft.outputs)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
