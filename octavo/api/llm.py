"""LLM: a model, its tokenizer and an engine in one process; prompts in, results out."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence

import torch

from octavo.api.drafts import RequestDraft
from octavo.api.opening import open_model
from octavo.api.outputs import CompletionDelta, RequestOutput, ScoreOutput
from octavo.api.prompts import Prompt, PromptType, read_prompts
from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.params import SamplingParams
from octavo.engine.request import Request
from octavo.errors import OctavoError, RequestError
from octavo.model import Transformer


class LLM:
    """Runs a model: a folder, a Hub id, or without a name the embedded octavo-mini.

    ``dtype`` "auto" is float32 on a CPU and the stored one on a GPU. A folder without tokenizer files serves prompts of
    token ids. ``batch_invariant`` makes every result equal to the bit whatever shares the batch, at a cost that
    octavo/ops/linear/invariant.py states. ``verify=False`` skips the checksums of the weights.

    Raises ConfigError, CheckpointError or TokenizerError when the model cannot be opened as asked.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        verify: bool = True,
        config: EngineConfig | None = None,
    ) -> None:
        opened = open_model(model, device=device, dtype=dtype, verify=verify)
        self._start(opened.model, opened.eos_token_ids, config or EngineConfig())

    @classmethod
    def of(
        cls,
        model: Transformer,
        *,
        eos_token_ids: Sequence[int] = (),
        config: EngineConfig | None = None,
    ) -> "LLM":
        """Wraps a model that is in memory already, such as one in training."""
        made = cls.__new__(cls)
        made._start(model, frozenset(eos_token_ids), config or EngineConfig())
        return made

    def _start(self, model: Transformer, eos_token_ids: frozenset[int], config: EngineConfig) -> None:
        self.config = model.config
        self.engine = Engine(model, config)
        self._eos_token_ids = eos_token_ids
        self._names = itertools.count()

    def generate(
        self,
        prompts: PromptType | Sequence[PromptType],
        sampling_params: SamplingParams | Sequence[SamplingParams] | None = None,
    ) -> list[RequestOutput]:
        """Completes prompts, all at once, and returns their results in order.

        One SamplingParams serves all of them, a list one each. Raises RequestError for a prompt that cannot be served,
        before anything is computed.
        """
        drafts = self._drafts(self._read(prompts), sampling_params)
        for _ in self._run(drafts):
            pass
        return [draft.result() for draft in drafts]

    def stream(self, prompt: PromptType, sampling_params: SamplingParams | None = None) -> Iterator[CompletionDelta]:
        """Completes one prompt and yields what is new as it appears; closing the iterator ends the request."""
        return self._stream(self._drafts(self._read([prompt]), sampling_params))

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

    def _read(self, prompts: PromptType | Sequence[PromptType]) -> list[Prompt]:
        return read_prompts(prompts, self._encode)

    def _encode(self, text: str) -> Sequence[int]:
        raise RequestError("the prompt is text, but this model's folder has no tokenizer: want token ids")

    def _drafts(
        self, prompts: Sequence[Prompt], sampling_params: SamplingParams | Sequence[SamplingParams] | None
    ) -> list[RequestDraft]:
        each: Sequence[SamplingParams]
        if sampling_params is None or isinstance(sampling_params, SamplingParams):
            each = [sampling_params or SamplingParams()] * len(prompts)
        else:
            each = sampling_params
        if len(each) != len(prompts):
            raise RequestError(
                f"{len(each)} sampling_params were given for {len(prompts)} prompts: want one, or one each"
            )
        drafts = [self._draft(prompt, params) for prompt, params in zip(prompts, each, strict=True)]
        for place, draft in enumerate(drafts):
            try:
                self.engine.check(draft.request)
            except RequestError as error:
                raise RequestError(f"prompt {place}: {error}" if len(drafts) > 1 else str(error)) from None
        return drafts

    def _draft(self, prompt: Prompt, params: SamplingParams) -> RequestDraft:
        request = Request(
            request_id=str(next(self._names)),
            prompt_token_ids=prompt.token_ids,
            params=params,
            eos_token_ids=self._eos_token_ids,
        )
        return RequestDraft(request, self.config, prompt=prompt.text, spell=lambda _: None, decoder=lambda: None)

    def _stream(self, drafts: Sequence[RequestDraft]) -> Iterator[CompletionDelta]:
        for draft, index in self._run(drafts):
            yield draft.delta(index)

    def _run(self, drafts: Sequence[RequestDraft]) -> Iterator[tuple[RequestDraft, int]]:
        """Serves the drafts to their ends and yields each output that moved; none stays behind, whatever happens."""
        by_id: Mapping[str, RequestDraft] = {draft.request.request_id: draft for draft in drafts}
        try:
            for draft in drafts:
                self.engine.add(draft.request)
            while not all(draft.finished for draft in drafts):
                for progress in self.engine.step():
                    draft = by_id[progress.request_id]
                    if draft.take(progress):
                        self.engine.abort(progress.request_id, progress.index)
                    yield draft, progress.index
        finally:
            for draft in drafts:
                self.engine.abort(draft.request.request_id)


def _scored(place: int, output: RequestOutput) -> ScoreOutput:
    if output.outputs[0].finish_reason == "error":
        raise OctavoError(f"prompt {place}: the model's logits are not finite: check the weights, or use another dtype")
    assert output.prompt_logprobs is not None
    logprobs = [
        None if named is None else named[token].logprob
        for token, named in zip(output.prompt_token_ids, output.prompt_logprobs, strict=True)
    ]
    return ScoreOutput(
        prompt=output.prompt,
        token_ids=output.prompt_token_ids,
        logprobs=logprobs,
        routed_experts=output.prompt_routed_experts,
        routed_weights=output.prompt_routed_weights,
        router_logits=output.prompt_router_logits,
    )
