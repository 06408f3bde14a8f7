"""/v1/chat/completions: the next message of a conversation, whole or as it comes, with calls of functions."""

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from octavo.api.outputs import CompletionDelta, CompletionOutput, TokenLogprobs
from octavo.api.prompts import Prompt
from octavo.server.routes.answering import Job, Serving, answer, new_id, now
from octavo.server.routes.asking import check_reported, read_grammar, read_params
from octavo.server.routes.front import aside
from octavo.server.routes.replying import documented, reply
from octavo.server.routes.schema.bounds import FieldError, check_bounds
from octavo.server.routes.schema.chat import ChatRequest, Message
from octavo.server.routes.schema.replies import ChatCompletion
from octavo.server.routes.spelling import ChatLogprobs, Speller
from octavo.server.routes.stream import Emit
from octavo.server.routes.telling import LONG, Extras, PromptNews, usage
from octavo.server.routes.tools import CallReader, Offer, read_offer


def chat_routes(serving: Serving) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.post("/v1/chat/completions", **documented(ChatCompletion, "replies to a conversation", stream=True))
    async def chat(body: ChatRequest, request: Request) -> Response:
        """Replies to a conversation ``n`` times; with ``stream`` as server-sent events."""
        return await reply(serving, request, body, await open_chat(serving, body))

    return router


async def open_chat(serving: Serving, body: ChatRequest) -> "ChatAnswer":
    """Reads a request into a job for the engine; raises for whatever it cannot be served as it stands."""
    arrived = serving.metrics.clock()
    facts, limits = serving.ready(), serving.settings.limits
    model = serving.named(body.model)
    check_bounds(body, limits)
    if body.top_logprobs is not None and not body.logprobs:
        raise FieldError("top_logprobs is set but logprobs is not true: set it as well", "top_logprobs")
    params = read_params(
        body,
        limits,
        max_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        prompt_logprobs=body.prompt_logprobs,
    )
    offer = read_offer(body, serving.front.tokenizer)
    grammar = read_grammar(body, limits)
    if grammar is not None and offer is not None:
        raise FieldError("the form of the text and tools are both given: want one, or tool_choice 'none'", "tools")
    prompt = await serving.front.read_messages(
        read_messages(body.messages),
        facts,
        add_generation_prompt=body.add_generation_prompt is not False,
        tools=offer.tools if offer is not None else None,
    )
    if offer is not None and offer.forced:
        prompt = Prompt(prompt.text, (*prompt.token_ids, offer.mark_id), starts_text=True)
        grammar = offer.grammar
    name = new_id("chatcmpl")
    draft = serving.front.drafter(facts).draft(name, prompt, params)
    serving.service.check(draft.request)
    check_reported([draft], facts, limits)
    job = Job(draft=draft, arrived=arrived, grammar=grammar, mark_id=offer.mark_id if offer is not None else None)
    if offer is not None and offer.forced:
        job.marks.update(dict.fromkeys(range(params.n), 0))
    return ChatAnswer(serving, body, job, model=model, offer=offer)


def read_messages(messages: list[Message]) -> list[dict[str, Any]]:
    """Messages as chat formats take them: the arguments of calls as values, the developer's words as the system's."""
    read = []
    for message in messages:
        given = message.model_dump(exclude_none=True)
        given["role"] = "system" if message.role == "developer" else message.role
        for call in given.get("tool_calls", ()):
            call.pop("index", None)
            call["function"]["arguments"] = _arguments(call["function"]["arguments"])
        read.append(given)
    return read


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


class ChatAnswer:
    """One answer in the making: its choices, and what was told of them."""

    def __init__(self, serving: Serving, body: ChatRequest, job: Job, *, model: str, offer: Offer | None) -> None:
        self.jobs = [job]
        self.name = job.draft.request.request_id
        self._serving = serving
        self._body = body
        self._head = {"id": self.name, "created": now(), "model": model}
        self._extras = Extras(body, serving)
        self._news = PromptNews()
        self._told_prompt = False
        self._choices = [_Choice(serving, job, body, offer) for _ in range(job.draft.request.params.n)]

    def whole(self) -> dict[str, Any]:
        """The answer, once the job is done."""
        (job,) = self.jobs
        result = job.draft.result()
        self._news.take(result)
        choices = []
        for output, state in zip(result.outputs, self._choices, strict=True):
            content, _ = state.split(output.text, job.marks.get(output.index), last=True)
            message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
            if state.calls:
                message["tool_calls"] = state.calls
                message["content"] = content or None
            choices.append(self._choice(output, {"message": message}, output.logprobs or []))
        of_prompt = self._extras.of_prompt(job, self._news)
        head = {**self._head, "object": "chat.completion"}
        return {**head, "choices": choices, **of_prompt, "usage": usage(self.jobs)}

    async def write(self, emit: Emit) -> None:
        """Lets the engine work, and emits chunks as there is news."""
        options = self._body.stream_options
        counts = options is not None and bool(options.include_usage)
        always = counts and options is not None and bool(options.continuous_usage_stats)
        head = {**self._head, "object": "chat.completion.chunk"}

        async def tell(job: Job, delta: CompletionDelta) -> None:
            # The first chunk may have to tell of a long prompt.
            first = not self._told_prompt and len(job.draft.request.prompt_token_ids) > LONG
            chunk = await aside(lambda: self._chunk(job, delta), first)
            if chunk is not None:
                if counts:
                    chunk["usage"] = usage(self.jobs) if always else None
                await emit({**head, **chunk})

        await answer(self._serving, self.jobs, tell)
        if counts:
            await emit({**head, "choices": [], "usage": usage(self.jobs)})

    def _chunk(self, job: Job, delta: CompletionDelta) -> dict[str, Any] | None:
        self._news.take(delta)
        # Before its first token the prompt is still being read.
        if not delta.token_ids and delta.finish_reason is None:
            return None
        state = self._choices[delta.index]
        last = delta.finish_reason is not None
        content, calls = state.split(delta.text, job.marks.get(delta.index), last=last)
        fresh, state.opened = not state.opened, True
        said: dict[str, Any] = {"role": "assistant"} if fresh else {}
        if content or (fresh and not calls):
            said["content"] = content
        if calls:
            said["tool_calls"] = calls
        if not (said or last or self._extras.every_token or self._body.logprobs):
            return None
        of_prompt: dict[str, Any] = {}
        if not self._told_prompt:
            self._told_prompt = True
            of_prompt = self._extras.of_prompt(job, self._news)
        return {"choices": [self._choice(delta, {"delta": said}, delta.logprobs)], **of_prompt}

    def _choice(
        self, told: CompletionDelta | CompletionOutput, said: dict[str, Any], logprobs: list[TokenLogprobs]
    ) -> dict[str, Any]:
        state = self._choices[told.index]
        called = told.finish_reason == "stop" and state.calls
        return {
            "index": told.index,
            **said,
            "logprobs": None if state.logprobs is None else state.logprobs.write(told.token_ids, logprobs),
            "finish_reason": "tool_calls" if called else told.finish_reason,
            "stop_reason": told.stop_reason,
            **self._extras.of_choice(told, state.speller),
        }


class _Choice:
    """What was told of one choice: how much of its text, and which calls."""

    def __init__(self, serving: Serving, job: Job, body: ChatRequest, offer: Offer | None) -> None:
        self.opened = False
        tokenizer, skip = serving.front.tokenizer, job.draft.request.params.skip_special_tokens
        self.speller = Speller(tokenizer, starts_text=True, skip=skip)
        self.logprobs: ChatLogprobs | None = None
        if body.logprobs:
            self.logprobs = ChatLogprobs(Speller(tokenizer, starts_text=True, skip=skip), body.top_logprobs or 0)
        self._reader = None if offer is None else CallReader(offer.most)
        self._told = 0

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls so far."""
        return [] if self._reader is None else [call.whole() for call in self._reader.calls]

    def split(self, text: str, mark: int | None, *, last: bool) -> tuple[str, list[dict[str, Any]]]:
        """What of the next piece of text is content, and what a stream tells of the calls in the rest."""
        start, self._told = self._told, self._told + len(text)
        if self._reader is None or mark is None:
            return text, []
        content = text[: max(0, mark - start)]
        calls = self._reader.push(text[len(content) :])
        if last and not self._reader.calls:
            # What was announced as calls and is none is text all the same.
            content += self._reader.text
        return content, calls
