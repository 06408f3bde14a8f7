"""Results in the making: what the engine says step by step becomes deltas, or one RequestOutput."""

from collections.abc import Callable

from octavo.api.outputs import CompletionDelta, CompletionOutput, Logprob, RequestOutput, TokenLogprobs
from octavo.api.rows import Arrays, Rows
from octavo.api.writing import TextWriter
from octavo.config import ModelConfig
from octavo.engine import request as engine
from octavo.tokenizer.decoder import StreamDecoder

NO_ARRAYS: Arrays | tuple[None, None, None] = (None, None, None)


class OutputDraft:
    """One output so far; only its RequestDraft writes it."""

    def __init__(self, request: engine.Request, config: ModelConfig, decoder: StreamDecoder | None) -> None:
        params = request.params
        self.token_ids: list[int] = []
        self.logprobs: list[TokenLogprobs] = []
        self.cumulative_logprob = 0.0
        self.finish_reason: str | None = None
        self.stop_reason: int | str | None = None
        self.writer = TextWriter(
            decoder,
            params.stop_strings,
            include_stop=params.include_stop_str_in_output,
            min_tokens=params.min_tokens,
        )
        self.rows = Rows(config, logits=params.router_logits) if params.routing else None
        self.num_told = 0


class RequestDraft:
    """One request so far; ``moved`` holds the outputs that have news for ``deltas``.

    ``spell`` gives a token's text for logprobs, ``decoder`` makes a decoder for each output.
    """

    def __init__(
        self,
        request: engine.Request,
        config: ModelConfig,
        *,
        prompt: str | None,
        spell: Callable[[int], str | None],
        decoder: Callable[[], StreamDecoder | None],
    ) -> None:
        self.request = request
        self.prompt = prompt
        self._spell = spell
        wants_text = request.params.detokenize
        self.outputs = [
            OutputDraft(request, config, decoder() if wants_text else None) for _ in range(request.params.n)
        ]
        # The first prompt token has nothing before it.
        self.prompt_logprobs: list[TokenLogprobs | None] = [None]
        self.prompt_rows = Rows(config, logits=request.params.router_logits) if request.params.routing else None
        self.moved: dict[int, None] = {}
        self._num_prompt_told = 0

    @property
    def finished(self) -> bool:
        """Whether every output has come to its end."""
        return all(output.finish_reason for output in self.outputs)

    def take(self, progress: engine.Progress) -> bool:
        """Writes down one step; returns whether a stop string ended the output, of which the engine must be told."""
        output = self.outputs[progress.index]
        self.moved[progress.index] = None
        self.prompt_logprobs += map(self._named, progress.prompt_logprobs)
        rows = progress.routing
        if rows is not None:
            place = self.prompt_rows if rows.start < len(self.request.prompt_token_ids) else output.rows
            assert place is not None
            place.add(rows)
        output.finish_reason, output.stop_reason = progress.finish_reason, progress.stop_reason
        if progress.token_id is not None:
            self._write(output, progress.token_id)
        if progress.logprobs is not None:
            output.logprobs.append(self._named(progress.logprobs))
            output.cumulative_logprob += progress.logprobs.logprobs[0]
        stopped = output.writer.stop is not None
        if stopped:
            output.finish_reason, output.stop_reason = "stop", output.writer.stop
        if output.finish_reason is not None:
            output.writer.close()
            if output.rows is not None:
                output.rows.pad(len(output.token_ids))
        return stopped and progress.finish_reason is None

    def deltas(self) -> list[CompletionDelta]:
        """What is new of each output that moved since the last call, and of the prompt."""
        moved, self.moved = self.moved, {}
        return [self._delta(index) for index in moved]

    def _delta(self, index: int) -> CompletionDelta:
        output = self.outputs[index]
        told, output.num_told = output.num_told, len(output.token_ids)
        prompt_told, self._num_prompt_told = self._num_prompt_told, len(self.prompt_logprobs)
        wants_prompt = self.request.params.prompt_logprobs is not None
        experts, weights, logits = NO_ARRAYS if output.rows is None else output.rows.take()
        prompt_experts, prompt_weights, prompt_logits = (
            NO_ARRAYS if self.prompt_rows is None else self.prompt_rows.take()
        )
        return CompletionDelta(
            request_id=self.request.request_id,
            index=index,
            text=output.writer.fresh(),
            token_ids=output.token_ids[told:],
            logprobs=output.logprobs[told:],
            finish_reason=output.finish_reason,
            stop_reason=output.stop_reason,
            routed_experts=experts,
            routed_weights=weights,
            router_logits=logits,
            prompt_logprobs=self.prompt_logprobs[prompt_told:] if wants_prompt else [],
            prompt_routed_experts=prompt_experts,
            prompt_routed_weights=prompt_weights,
            prompt_router_logits=prompt_logits,
        )

    def result(self) -> RequestOutput:
        """The whole; routing rows are handed out only once, here or by ``deltas``."""
        params = self.request.params
        experts, weights, logits = NO_ARRAYS if self.prompt_rows is None else self.prompt_rows.take()
        return RequestOutput(
            request_id=self.request.request_id,
            prompt=self.prompt,
            prompt_token_ids=list(self.request.prompt_token_ids),
            prompt_logprobs=self.prompt_logprobs if params.prompt_logprobs is not None else None,
            outputs=[self._output(index) for index in range(params.n)],
            finished=self.finished,
            prompt_routed_experts=experts,
            prompt_routed_weights=weights,
            prompt_router_logits=logits,
        )

    def _output(self, index: int) -> CompletionOutput:
        output = self.outputs[index]
        wants_logprobs = self.request.params.logprobs is not None
        experts, weights, logits = NO_ARRAYS if output.rows is None else output.rows.take()
        return CompletionOutput(
            index=index,
            text=output.writer.text,
            token_ids=output.token_ids,
            cumulative_logprob=output.cumulative_logprob if wants_logprobs else None,
            logprobs=output.logprobs if wants_logprobs else None,
            finish_reason=output.finish_reason,
            stop_reason=output.stop_reason,
            routed_experts=experts,
            routed_weights=weights,
            router_logits=logits,
        )

    def _write(self, output: OutputDraft, token_id: int) -> None:
        output.token_ids.append(token_id)
        # The token that ends the text is not part of it, unless asked for.
        if output.finish_reason != "stop" or self.request.params.include_stop_str_in_output:
            output.writer.push(token_id)

    def _named(self, found: engine.TokenLogprobs) -> TokenLogprobs:
        """vLLM's form: from token id to its logprob, the position's own token first."""
        named = {found.token_ids[0]: Logprob(found.logprobs[0], found.rank, self._spell(found.token_ids[0]))}
        for rank, (token_id, logprob) in enumerate(zip(found.token_ids[1:], found.logprobs[1:], strict=True), start=1):
            if token_id not in named:
                named[token_id] = Logprob(logprob, rank, self._spell(token_id))
        return named
