"""Metrics: what the server counts of its requests and of its engine's steps, and who watches one request.

    with metrics.watch(request) as watch:           from its handing over to the engine to the end of its answer
        async for progress in submission:
            ...                                     the draft takes it in
            watch.saw(draft)                        before anything of it is sent on

Counts are the clients' own: prompt and output tokens are those of ``usage``, outputs end by the reason that a choice
states, and all of it is counted before the answer that says it is on its way. One thread does it all.
"""

import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from octavo.api.drafts import RequestDraft
from octavo.engine.request import Request
from octavo.server.backend.service import EngineDead, StepReport
from octavo.server.telemetry import metric_names as names
from octavo.server.telemetry.distribution import Distribution
from octavo.server.telemetry.metric_names import METRICS, Metric
from octavo.server.telemetry.routing_stats import RoutingStats

FINISH_REASONS = ("stop", "length", "abort", "error")
# Why a request was refused, by the status that says so.
REASONS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    411: "length_required",
    413: "content_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: "unprocessable_content",
    429: "too_many_requests",
    431: "header_fields_too_large",
    500: "internal_server_error",
    503: "service_unavailable",
    504: "gateway_timeout",
}


class Metrics:
    """All that is counted in one application; ``stats`` counts which experts the steps chose.

    ``clock`` gives seconds, finely. ``on_step`` is for ``Service.observe``.
    """

    def __init__(self, stats: RoutingStats, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.stats = stats
        self.clock = clock
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.finished: Counter[str] = Counter(dict.fromkeys(FINISH_REASONS, 0))
        # The refusals that a full or slow server gives stand there from the start, so that their rates do too.
        self.rejected: Counter[str] = Counter({REASONS[status]: 0 for status in (400, 401, 408, 413, 429, 431, 503)})
        self.distributions = {each.name: Distribution(each.bounds) for each in METRICS if each.kind == "histogram"}
        self._watched: dict[str, RequestWatch] = {}

    def on_step(self, report: StepReport) -> None:
        """Takes in what a step of the engine did."""
        self.stats.add(report)
        self.put(names.STEP_SECONDS, report.seconds)
        self.put(names.ITERATION_TOKENS, report.tokens_read)
        for request_id in report.started:
            if (watch := self._watched.get(request_id)) is not None:
                watch.began(self.clock() - report.seconds)

    def watch(self, request: Request, *, arrived: float | None = None) -> "RequestWatch":
        """Watches a request that was handed over at ``arrived`` by ``clock``, or now, until its block ends."""
        return RequestWatch(self, request, self.clock() if arrived is None else arrived)

    def rejected_with(self, status: int) -> None:
        """Counts a request that was refused by an HTTP status."""
        self.rejected[REASONS.get(status, f"status_{status}")] += 1

    def put(self, metric: Metric, value: float, times: int = 1) -> None:
        """Counts a value of a histogram."""
        self.distributions[metric.name].add(value, times)

    def follow(self, watch: "RequestWatch") -> None:
        """Tells a watch when the engine begins with its request."""
        self._watched[watch.request.request_id] = watch

    def unfollow(self, watch: "RequestWatch") -> None:
        """Tells it no more."""
        self._watched.pop(watch.request.request_id, None)


class RequestWatch:
    """One request's times and tokens, from its handing over on; leaving its block counts what has not ended as ended.

    What ends without a reason of its own is an "abort"; an "error" where the engine died or the code failed.
    """

    def __init__(self, metrics: Metrics, request: Request, arrived: float) -> None:
        self.request = request
        self._metrics = metrics
        self._arrived = arrived
        self._began: float | None = None
        self._first: float | None = None
        self._last_of = [arrived] * request.params.n
        self._tokens_of = [0] * request.params.n
        self._reason_of: list[str | None] = [None] * request.params.n
        self._prompt_counted = False

    def began(self, when: float) -> None:
        """The engine began with the request at ``when``."""
        if self._began is None:
            self._began = max(when, self._arrived)

    def saw(self, draft: RequestDraft) -> None:
        """Counts what is new in the request's draft."""
        now = self._metrics.clock()
        for index, output in enumerate(draft.outputs):
            if (fresh := len(output.token_ids) - self._tokens_of[index]) > 0:
                self._count_tokens(index, fresh, now)
            if output.finish_reason is not None and self._reason_of[index] is None:
                self._count_end(index, output.finish_reason)
                if None not in self._reason_of:
                    self._count_request(now)

    def __enter__(self) -> Self:
        self._metrics.follow(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._metrics.unfollow(self)
        # What was refused before its first token is counted as refused, by its status; an engine that died is not.
        if self._prompt_counted or kind is None or not issubclass(kind, Exception) or issubclass(kind, EngineDead):
            failed = kind is not None and issubclass(kind, Exception)
            for index, reason in enumerate(self._reason_of):
                if reason is None:
                    self._count_end(index, "error" if failed else "abort")

    def _count_prompt(self) -> None:
        if not self._prompt_counted:
            self._prompt_counted = True
            self._metrics.prompt_tokens += len(self.request.prompt_token_ids)

    def _count_tokens(self, index: int, fresh: int, now: float) -> None:
        metrics = self._metrics
        self._count_prompt()
        if self._first is None:
            self._first = now
            metrics.put(names.FIRST_TOKEN_SECONDS, now - self._arrived)
        # Tokens that came together share the time since the one before them; the first has none before it.
        between = fresh if self._tokens_of[index] else fresh - 1
        if between:
            each = (now - self._last_of[index]) / between if self._tokens_of[index] else 0.0
            metrics.put(names.BETWEEN_SECONDS, each, between)
            metrics.put(names.OUTPUT_TOKEN_SECONDS, each, between)
        self._last_of[index] = now
        self._tokens_of[index] += fresh
        metrics.generation_tokens += fresh

    def _count_end(self, index: int, reason: str) -> None:
        self._reason_of[index] = reason
        self._metrics.finished[reason] += 1
        if reason in ("stop", "length"):
            self._count_prompt()
            self._metrics.put(names.REQUEST_GENERATION, self._tokens_of[index])

    def _count_request(self, now: float) -> None:
        """Counts the times of a request that came to its own end."""
        if "abort" in self._reason_of or "error" in self._reason_of:
            return
        put, params = self._metrics.put, self.request.params
        put(names.REQUEST_SECONDS, now - self._arrived)
        put(names.REQUEST_PROMPT, len(self.request.prompt_token_ids))
        put(names.REQUEST_MOST, max(self._tokens_of))
        put(names.PARAMS_N, params.n)
        if params.max_tokens is not None:
            put(names.PARAMS_MAX_TOKENS, params.max_tokens)
        if self._began is not None:
            put(names.QUEUE_SECONDS, self._began - self._arrived)
            put(names.INFERENCE_SECONDS, now - self._began)
            if self._first is not None:
                put(names.PREFILL_SECONDS, max(0.0, self._first - self._began))
        if self._first is not None:
            put(names.DECODE_SECONDS, now - self._first)
            longest = max(self._tokens_of)
            if longest > 1:
                put(names.MEAN_TOKEN_SECONDS, (now - self._first) / (longest - 1))
