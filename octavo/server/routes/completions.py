"""/v1/completions: texts that go on from prompts, whole or as they come."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from octavo.api.drafting import Drafter
from octavo.api.outputs import CompletionDelta, CompletionOutput, TokenLogprobs
from octavo.api.prompts import Prompt
from octavo.server.backend.service import ServiceFacts
from octavo.server.routes.answering import Job, Serving, answer, new_id, now
from octavo.server.routes.asking import check_reported, read_grammar, read_params
from octavo.server.routes.front import aside
from octavo.server.routes.replying import documented, reply
from octavo.server.routes.schema.bounds import FieldError, check_sequences
from octavo.server.routes.schema.completions import CompletionRequest
from octavo.server.routes.schema.replies import Completion
from octavo.server.routes.spelling import CompletionLogprobs, Speller
from octavo.server.routes.stream import Emit
from octavo.server.routes.telling import LONG, Extras, PromptNews, usage

DEFAULT_MAX_TOKENS = 16


def completion_routes(serving: Serving) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.post("/v1/completions", **documented(Completion, "completes prompts", stream=True))
    async def complete(body: CompletionRequest, request: Request) -> Response:
        """Completes each prompt ``n`` times; with ``stream`` as server-sent events."""
        return await reply(serving, request, body, await open_completion(serving, body))

    return router


async def open_completion(serving: Serving, body: CompletionRequest) -> "CompletionAnswer":
    """Reads a request into jobs for the engine; raises for whatever it cannot be served as it stands."""
    arrived = serving.metrics.clock()
    facts, limits = serving.ready(), serving.settings.limits
    model = serving.named(body.model)
    wants_text = serving.front.tokenizer is not None
    params = read_params(
        body,
        limits,
        max_tokens=DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens,
        logprobs=body.logprobs,
        prompt_logprobs=body.logprobs if body.echo and body.prompt_logprobs is None else body.prompt_logprobs,
        detokenize=wants_text,
    )
    check_sequences(len(body.prompts), params.n, limits)
    if body.best_of not in (None, params.n):
        raise FieldError(f"best_of is {body.best_of}, n is {params.n}: want both the same, or no best_of", "best_of")
    if body.suffix:
        raise FieldError("suffix is set, but this model only writes what follows: leave it out", "suffix")
    grammar = read_grammar(body, limits)
    name, drafter = new_id("cmpl"), serving.front.drafter(facts)
    jobs = []
    for place, given in enumerate(body.prompts):
        prompt = await _read(serving, facts, given, special=body.add_special_tokens is not False)
        # The request's own name where there is one prompt, so that its routing is found by it.
        part = name if len(body.prompts) == 1 else f"{name}-{place}"
        draft = drafter.draft(part, prompt, params)
        serving.service.check(draft.request)
        jobs.append(Job(draft=draft, arrived=arrived, first=place * params.n, grammar=grammar))
    check_reported([job.draft for job in jobs], facts, limits, echo=bool(body.echo))
    return CompletionAnswer(serving, body, jobs, name=name, model=model, drafter=drafter)


async def _read(serving: Serving, facts: ServiceFacts, given: str | list[int], *, special: bool) -> Prompt:
    if isinstance(given, str):
        return await serving.front.read_text(given, facts, special=special)
    return Prompt(None, tuple(given))


class CompletionAnswer:
    """One answer in the making: its choices, and what was told of them."""

    def __init__(
        self,
        serving: Serving,
        body: CompletionRequest,
        jobs: list[Job],
        *,
        name: str,
        model: str,
        drafter: Drafter,
    ) -> None:
        self.jobs = jobs
        self.name = name
        self._serving = serving
        self._body = body
        self._head = {"id": name, "object": "text_completion", "created": now(), "model": model}
        self._extras = Extras(body, serving)
        self._drafter = drafter
        self._news = {id(job): PromptNews() for job in jobs}
        self._told_prompts: set[int] = set()
        self._choices: dict[int, _Choice] = {}

    def whole(self) -> dict[str, Any]:
        """The answer, once every job is done."""
        top: dict[str, Any] = {}
        choices: list[dict[str, Any]] = []
        for job in self.jobs:
            result = job.draft.result()
            news = self._news[id(job)]
            news.take(result)
            of_prompt = self._extras.of_prompt(job, news)
            mine = [self._choice(job, output, output.logprobs or []) for output in result.outputs]
            if len(self.jobs) == 1:
                top, of_prompt = of_prompt, {}
            choices += [{**choice, **of_prompt} for choice in mine]
        return {**self._head, "choices": choices, **top, "usage": usage(self.jobs)}

    async def write(self, emit: Emit) -> None:
        """Lets the engine work, and emits chunks as there is news."""
        options = self._body.stream_options
        counts = options is not None and bool(options.include_usage)
        always = counts and options is not None and bool(options.continuous_usage_stats)

        async def tell(job: Job, delta: CompletionDelta) -> None:
            # The first chunk may have to tell of a long prompt.
            first = not self.told_prompt(job) and len(job.draft.request.prompt_token_ids) > LONG
            chunk = await aside(lambda: self._chunk(job, delta), first)
            if chunk is not None:
                if counts:
                    chunk["usage"] = usage(self.jobs) if always else None
                await emit(chunk)

        await answer(self._serving, self.jobs, tell)
        if counts:
            await emit({**self._head, "choices": [], "usage": usage(self.jobs)})

    def told_prompt(self, job: Job) -> bool:
        """Whether what was wanted of a prompt has been told."""
        return id(job) in self._told_prompts

    def _chunk(self, job: Job, delta: CompletionDelta) -> dict[str, Any] | None:
        news = self._news[id(job)]
        news.take(delta)
        # Before its first token the prompt is still being read.
        if not delta.token_ids and delta.finish_reason is None:
            return None
        fresh = job.first + delta.index not in self._choices
        reports = self._extras.every_token or self._body.logprobs is not None or (fresh and self._body.echo)
        if not (delta.text or delta.finish_reason or reports):
            return None
        choice = self._choice(job, delta, delta.logprobs)
        top: dict[str, Any] = {}
        if not self.told_prompt(job):
            self._told_prompts.add(id(job))
            top = self._extras.of_prompt(job, news)
        if len(self.jobs) > 1:
            choice, top = {**choice, **top}, {}
        return {**self._head, "choices": [choice], **top}

    def _choice(
        self, job: Job, told: CompletionDelta | CompletionOutput, logprobs: list[TokenLogprobs]
    ) -> dict[str, Any]:
        index = job.first + told.index
        if (state := self._choices.get(index)) is None:
            state = self._choices[index] = _Choice(self._drafter, job, self._body)
        text, found = state.opening(self._news[id(job)]) if not state.opened else ("", None)
        if state.logprobs is not None:
            found = _joined(found, state.logprobs.write(told.token_ids, logprobs))
        return {
            "index": index,
            "text": text + told.text,
            "logprobs": found,
            "finish_reason": told.finish_reason,
            "stop_reason": told.stop_reason,
            **self._extras.of_choice(told, state.speller),
        }


class _Choice:
    """What was told of one choice."""

    def __init__(self, drafter: Drafter, job: Job, body: CompletionRequest) -> None:
        self.opened = False
        request = job.draft.request
        tokenizer, skip = drafter.tokenizer, request.params.skip_special_tokens
        prompt = Prompt(job.draft.prompt, request.prompt_token_ids)
        starts = tokenizer is not None and drafter.begins(prompt)
        self._ids = request.prompt_token_ids
        self._echo = bool(body.echo)
        self._text = ""
        self._prompt: CompletionLogprobs | None = None
        if self._echo and tokenizer is not None:
            self._text = prompt.text if prompt.text is not None else tokenizer.decode(self._ids)
        self.speller = Speller(tokenizer, starts_text=starts, skip=skip)
        self.logprobs: CompletionLogprobs | None = None
        if body.logprobs is not None:
            self._prompt = CompletionLogprobs(Speller(tokenizer, starts_text=True, skip=True), body.logprobs)
            after = Speller(tokenizer, starts_text=starts, skip=skip, offset=len(self._text))
            self.logprobs = CompletionLogprobs(after, body.logprobs)

    def opening(self, news: PromptNews) -> tuple[str, dict[str, Any] | None]:
        """The prompt as ``echo`` repeats it, and its logprobs."""
        self.opened = True
        if not self._echo or self._prompt is None:
            return self._text, None
        return self._text, self._prompt.write(self._ids, news.logprobs)


def _joined(before: Mapping[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    return after if before is None else {name: [*before[name], *values] for name, values in after.items()}
