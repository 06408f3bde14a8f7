"""LLM: a model, its tokenizer and an engine in one process; prompts in, results out."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from octavo.api.drafting import Drafter, Message
from octavo.api.drafts import RequestDraft
from octavo.api.opening import Planned, open_model
from octavo.api.outputs import CompletionDelta, RequestOutput, ScoreOutput
from octavo.api.prompts import Prompt, PromptType, read_conversations, read_prompts
from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.params import SamplingParams
from octavo.errors import ConfigError, OctavoError, RequestError
from octavo.model import Transformer
from octavo.tokenizer import Tokenizer

Params = SamplingParams | Sequence[SamplingParams] | None


class LLM:
    """Runs a model: a folder, a Hub id, or without a name the embedded octavo-mini (``OCTAVO_MODEL`` names another).

    ``tokenizer`` names another folder for the tokenizer; a folder without one serves prompts of token ids. ``device``
    "auto" is a GPU where there is one. ``dtype`` "auto" is float32 on a CPU and the stored one on a GPU.
    ``batch_invariant`` makes every result equal to the bit whatever shares the batch, at the cost that
    ``octavo.ops.invariant`` states. ``verify=False`` skips the checksums of the weights. The limits are EngineConfig's,
    None its default. ``planned`` is called with the MemoryPlan before anything is loaded.

    Raises ConfigError, CheckpointError or TokenizerError when the model cannot be opened as asked, and OverCapacity
    when the device has no room for it.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        tokenizer: Tokenizer | str | os.PathLike[str] | None = None,
        revision: str | None = None,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        verify: bool = True,
        batch_invariant: bool = False,
        max_model_len: int | None = None,
        max_num_seqs: int | None = None,
        max_num_batched_tokens: int | None = None,
        max_logprobs: int | None = None,
        page_size: int | None = None,
        num_pages: int | None = None,
        memory_bytes: int | None = None,
        enable_prefix_caching: bool | None = None,
        seed: int | None = None,
        planned: Planned | None = None,
    ) -> None:
        limits: dict[str, Any] = {
            "max_model_len": max_model_len,
            "max_num_seqs": max_num_seqs,
            "max_num_batched_tokens": max_num_batched_tokens,
            "max_logprobs": max_logprobs,
            "page_size": page_size,
            "num_pages": num_pages,
            "memory_bytes": memory_bytes,
            "enable_prefix_caching": enable_prefix_caching,
            "seed": seed,
        }
        # Checked before the model is opened, which may take minutes.
        config = EngineConfig(**{name: value for name, value in limits.items() if value is not None})
        if not isinstance(batch_invariant, bool):
            raise ConfigError(f"batch_invariant is {batch_invariant!r}: want True or False")
        opened = open_model(
            model,
            tokenizer=tokenizer,
            revision=revision,
            device=device,
            dtype=dtype,
            batch_invariant=batch_invariant,
            verify=verify,
            engine=config,
            planned=planned,
        )
        self._start(opened.model, opened.tokenizer, opened.eos_token_ids, config)

    @classmethod
    def of(
        cls,
        model: Transformer,
        *,
        tokenizer: Tokenizer | None = None,
        eos_token_ids: Sequence[int] = (),
        config: EngineConfig | None = None,
    ) -> "LLM":
        """Wraps a model that is in memory already, such as one in training.

        Without a ``config`` nothing is kept from one call to the next, since its weights may change in between; with
        one that keeps prefixes, call ``reset_prefix_cache`` when they have.
        """
        made = cls.__new__(cls)
        config = config or EngineConfig(enable_prefix_caching=False)
        made._start(model, tokenizer, frozenset(eos_token_ids), config)
        return made

    def reset_prefix_cache(self) -> None:
        """Forgets what was read of earlier prompts."""
        self.engine.reset_prefix_cache()

    def _start(
        self, model: Transformer, tokenizer: Tokenizer | None, eos_token_ids: frozenset[int], config: EngineConfig
    ) -> None:
        self.config = model.config
        self.tokenizer = tokenizer
        self.engine = Engine(model, config)
        self._drafter = Drafter(config=model.config, tokenizer=tokenizer, eos_token_ids=eos_token_ids)
        self._names = itertools.count()
        self._open: dict[str, RequestDraft] = {}

    @property
    def max_model_len(self) -> int:
        """Most tokens of a prompt and its output together."""
        return self.engine.max_model_len

    def generate(
        self, prompts: PromptType | Sequence[PromptType], sampling_params: Params = None
    ) -> list[RequestOutput]:
        """Completes prompts, all of them at once, and returns their results in order.

        A prompt is a string, a list of token ids, or a dict with ``prompt`` or ``prompt_token_ids``. One SamplingParams
        serves all of them, a list one each. Raises RequestError for what cannot be served, before anything is computed.
        """
        return self._complete(self._drafts(read_prompts(prompts, self._drafter.encode), sampling_params))

    def chat(
        self,
        messages: Sequence[Message] | Sequence[Sequence[Message]],
        sampling_params: Params = None,
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Message] | None = None,
    ) -> list[RequestOutput]:
        """Replies to one conversation, or to each of several, given as messages with ``role`` and ``content``.

        Raises RequestError as ``generate`` does, and where the folder has no chat format.
        """
        read = [
            self._drafter.conversation(conversation, add_generation_prompt=add_generation_prompt, tools=tools)
            for conversation in read_conversations(messages)
        ]
        return self._complete(self._drafts(read, sampling_params))

    def stream(self, prompt: PromptType, sampling_params: SamplingParams | None = None) -> Iterator[CompletionDelta]:
        """Completes one prompt and yields what is new as it appears; closing the iterator ends the request.

        Raises RequestError as ``generate`` does, at once.
        """
        (draft,) = self._drafts(read_prompts([prompt], self._drafter.encode), sampling_params)
        return self._stream(draft)

    def stream_chat(
        self,
        messages: Sequence[Message],
        sampling_params: SamplingParams | None = None,
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Message] | None = None,
    ) -> Iterator[CompletionDelta]:
        """Replies to one conversation as ``stream`` completes a prompt."""
        read = self._drafter.conversation(messages, add_generation_prompt=add_generation_prompt, tools=tools)
        (draft,) = self._drafts([read], sampling_params)
        return self._stream(draft)

    def score(
        self,
        prompts: PromptType | Sequence[PromptType],
        *,
        routing: bool = False,
        router_logits: bool = False,
    ) -> list[ScoreOutput]:
        """The logprob of each prompt token given those before it; with ``routing`` the experts that read each.

        Raises RequestError as ``generate`` does, and OctavoError when the model's logits are not finite.
        """
        params = SamplingParams(max_tokens=0, prompt_logprobs=0, routing=routing, router_logits=router_logits)
        return [_scored(place, output) for place, output in enumerate(self.generate(prompts, params))]

    def _drafts(self, prompts: Sequence[Prompt], sampling_params: Params) -> list[RequestDraft]:
        each: Sequence[SamplingParams]
        if sampling_params is None or isinstance(sampling_params, SamplingParams):
            each = [sampling_params or SamplingParams()] * len(prompts)
        else:
            each = sampling_params
        if len(each) != len(prompts):
            raise RequestError(f"{len(each)} sampling_params for {len(prompts)} prompts: want one, or one for each")
        drafts = []
        for place, (prompt, params) in enumerate(zip(prompts, each, strict=True)):
            try:
                draft = self._drafter.draft(str(next(self._names)), prompt, params)
                self.engine.check(draft.request)
            except RequestError as error:
                raise RequestError(f"prompt {place}: {error}" if len(prompts) > 1 else str(error)) from None
            drafts.append(draft)
        return drafts

    def _complete(self, drafts: Sequence[RequestDraft]) -> list[RequestOutput]:
        with self._serving(drafts):
            for draft in drafts:
                while not draft.finished:
                    self._step()
        return [draft.result() for draft in drafts]

    def _stream(self, draft: RequestDraft) -> Iterator[CompletionDelta]:
        with self._serving([draft]):
            # Other calls of this LLM may have stepped meanwhile, even to this draft's end.
            while draft.moved or not draft.finished:
                if not draft.moved:
                    self._step()
                yield from draft.deltas()

    @contextmanager
    def _serving(self, drafts: Sequence[RequestDraft]) -> Iterator[None]:
        """Takes the drafts' requests into the engine; whatever happens, none stays behind."""
        try:
            for draft in drafts:
                self._open[draft.request.request_id] = draft
                self.engine.add(draft.request)
            yield
        finally:
            for draft in drafts:
                self.engine.abort(draft.request.request_id)
                self._open.pop(draft.request.request_id, None)

    def _step(self) -> None:
        for progress in self.engine.step():
            if self._open[progress.request_id].take(progress):
                self.engine.abort(progress.request_id, progress.index)


def _scored(place: int, output: RequestOutput) -> ScoreOutput:
    if output.outputs[0].finish_reason == "error":
        raise OctavoError(f"prompt {place}: the model's logits are not finite: check the weights, or use another dtype")
    assert output.prompt_logprobs is not None
    return ScoreOutput(
        prompt=output.prompt,
        token_ids=output.prompt_token_ids,
        logprobs=[
            None if named is None else named[token].logprob
            for token, named in zip(output.prompt_token_ids, output.prompt_logprobs, strict=True)
        ],
        routed_experts=output.prompt_routed_experts,
        routed_weights=output.prompt_routed_weights,
        router_logits=output.prompt_router_logits,
    )
