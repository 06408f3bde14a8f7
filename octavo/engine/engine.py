"""The engine: requests in, one step at a time, token ids out."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from octavo.cache import KVCache
from octavo.engine.admission import Bounds, check_request
from octavo.engine.batching import build
from octavo.engine.blocks import BlockPool
from octavo.engine.capacity import num_pages
from octavo.engine.config import EngineConfig
from octavo.engine.constraint import Constraint
from octavo.engine.request import FinishReason, Group, Progress, Request, RoutingRows, Sequence, TokenLogprobs
from octavo.engine.routing_cache import RoutingCache
from octavo.engine.runner import Runner
from octavo.engine.sampler import Choice, Sampler, read_logprobs, seed_of
from octavo.engine.scheduler import Chunk, Scheduler
from octavo.engine.transfer import Transfer
from octavo.errors import ConfigError, RequestError
from octavo.model import Output, Transformer

LOG = logging.getLogger("octavo.engine")
ROWS_SCORED_AT_ONCE = 256

# The logprobs of a chunk's prompt tokens; None when the logits were not finite.
Scores = tuple[TokenLogprobs, ...] | None

# Looks on at each step, between the forward and the choices: what was read, before it is written down, and what came.
Watch = Callable[[tuple[Chunk, ...], Output], None]


class Engine:
    """Serves any number of requests at once: continuous batching, paged cache, chunked prompts, preemption.

    ``add`` takes a request in, ``step`` reads one batch and says what came of it, ``abort`` drops what is not wanted
    any more. The model's weights are only read. Not safe to call from several threads at once.

    ``watch`` looks on at each step; on a GPU it does well to wait for nothing.
    """

    def __init__(self, model: Transformer, config: EngineConfig | None = None, *, watch: Watch | None = None) -> None:
        self.config = config or EngineConfig()
        self.max_model_len = self.config.max_model_len or model.config.context_length
        if self.max_model_len > model.config.context_length:
            raise ConfigError(
                f"max_model_len is {self.max_model_len}: want at most the model's own, {model.config.context_length}"
            )
        weight = model.norm.weight
        dtype, device = model.tok_embeddings.weight.dtype, weight.device
        pages = num_pages(model.config, self.config, dtype=dtype, device=device)
        cache = KVCache(model.config, num_pages=pages, page_size=self.config.page_size, dtype=dtype, device=device)
        self.model_config = model.config
        self.pool = BlockPool(pages)
        self.bounds = Bounds(
            config=model.config,
            max_model_len=self.max_model_len,
            max_logprobs=self.config.max_logprobs,
            page_size=self.config.page_size,
            num_pages=self.pool.total,
        )
        self.scheduler = Scheduler(self.config, self.pool, window=model.config.sliding_window)
        self.runner = Runner(model, cache, self._routing_cache(pages, device))
        self.sampler = Sampler()
        self._watch = watch
        self._groups: dict[str, Group] = {}
        self._num_added = 0

    def _routing_cache(self, pages: int, device: torch.device) -> RoutingCache | None:
        if not (self.scheduler.remembers and self.model_config.is_sparse):
            return None
        return RoutingCache(self.model_config, num_pages=pages, page_size=self.config.page_size, device=device)

    @property
    def has_unfinished(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self.scheduler.running or self.scheduler.waiting)

    def add(self, request: Request) -> None:
        """Takes a request into the queue; raises what ``check`` raises, and nothing has changed then."""
        self.check(request)
        seed = request.params.seed
        if seed is None:
            seed = seed_of(self.config.seed, self._num_added)
        self._num_added += 1
        group = Group(request=request)
        group.sequences = tuple(
            Sequence(
                group=group,
                index=index,
                seed=seed_of(seed, index),
                token_ids=list(request.prompt_token_ids),
                constraint=None if request.constraint is None else request.constraint.fresh(),
            )
            for index in range(request.params.n)
        )
        self._groups[request.request_id] = group
        for sequence in group.sequences:
            self.scheduler.add(sequence)

    @torch.inference_mode()
    def step(self) -> list[Progress]:
        """Reads one batch and says what it did for each sequence that it moved; [] when nothing is left to do."""
        plan = self.scheduler.schedule()
        if not plan.chunks:
            return []
        try:
            batch = build(plan.chunks, page_size=self.config.page_size, device=self.runner.device)
            output = self.runner.forward(batch, plan.fresh_pages)
            # It is under way while tokens are chosen.
            transfer = self._send(output, plan.chunks)
            if self._watch is not None:
                self._watch(plan.chunks, output)
            choices, scores = self._judge(output, plan.chunks)
        except BaseException:
            # Whoever drives the engine may go on after, say, too little memory: what was planned is planned anew.
            self.scheduler.take_back(plan)
            raise
        return self._commit(plan.chunks, transfer, choices, scores)

    def reset_prefix_cache(self) -> None:
        """Forgets what was read, as must be done when the model's weights have changed."""
        self.pool.forget()

    def abort(self, request_id: str, index: int | None = None) -> None:
        """Ends a request, or only its output ``index``, and frees its pages; what is finished or unknown is left."""
        group = self._groups.get(request_id)
        for sequence in group.sequences if group is not None else ():
            if index in (None, sequence.index) and sequence.finish_reason is None:
                self._finish(sequence, "abort")

    def check(self, request: Request) -> None:
        """Raises RequestError, in one line, for a request that cannot be served as asked."""
        if request.request_id in self._groups:
            raise RequestError(f"request_id {request.request_id!r} is in use: want one of its own for each request")
        check_request(request, self.bounds)

    def _send(self, output: Output, chunks: tuple[Chunk, ...]) -> Transfer | None:
        """Sends the routings to the host where a request wants them."""
        routing = logits = False
        for chunk in chunks:
            params = chunk.sequence.group.request.params
            routing |= params.routing
            logits |= params.router_logits
        return self.runner.carrier.send(output.routings, logits=logits) if routing else None

    def _judge(self, output: Output, chunks: tuple[Chunk, ...]) -> tuple[dict[int, Choice], dict[int, Scores]]:
        """Chooses a token for each chunk that samples and scores the prompts that want it; by the chunk's number."""
        logits_RV = output.logits_RV
        sampling = [number for number, chunk in enumerate(chunks) if chunk.samples]
        if len(sampling) == logits_RV.shape[0]:
            scores: dict[int, Scores] = {}
        else:
            row, rows, scores = 0, [], {}
            for number, chunk in enumerate(chunks):
                count = chunk.scored_to - chunk.scored_from
                if count:
                    scores[number] = _score(logits_RV[row : row + count], chunk)
                row += count
                if chunk.samples:
                    rows.append(row)
                    row += 1
            logits_RV = logits_RV[rows]
        choices = self.sampler.choose(logits_RV, [chunks[number].sequence for number in sampling]) if sampling else []
        return dict(zip(sampling, choices, strict=True)), scores

    def _commit(
        self,
        chunks: tuple[Chunk, ...],
        transfer: Transfer | None,
        choices: dict[int, Choice],
        scores: dict[int, Scores],
    ) -> list[Progress]:
        """Writes down what the step did, ends what is at its end, and says it."""
        host = None if transfer is None else self.runner.carrier.settle(transfer)
        said = []
        row = 0
        for number, chunk in enumerate(chunks):
            said += self._recalled(chunk)
            progress = self._advance(chunk, choices.get(number), scores.get(number, ()), _rows(host, chunk, row))
            if progress is not None:
                said.append(progress)
            row += chunk.count
        return said

    def _recalled(self, chunk: Chunk) -> list[Progress]:
        """The routing of what a sequence found read when it was let in, where it is wanted and was not said before."""
        sequence, request = chunk.sequence, chunk.sequence.request
        known = max(sequence.group.prompt_read, sequence.num_read)
        if not request.params.routing or known >= chunk.start:
            return []
        pages = sequence.pages[: -(-chunk.start // self.config.page_size)]
        source = self.runner.recall(pages, logits=request.params.router_logits)
        rows = RoutingRows(known, source, slice(known, chunk.start), request.params.router_logits)
        return [Progress(request_id=request.request_id, index=sequence.index, routing=rows)]

    def _advance(
        self, chunk: Chunk, choice: Choice | None, score: Scores, routing: RoutingRows | None
    ) -> Progress | None:
        sequence = chunk.sequence
        group, end = sequence.group, chunk.start + chunk.count
        sequence.num_computed = end
        sequence.num_read = max(sequence.num_read, end)
        group.prompt_read = max(group.prompt_read, min(end, sequence.num_prompt))
        if score is not None:
            group.prompt_scored = max(group.prompt_scored, chunk.scored_to)
        token = None if choice is None else choice.token_id
        stop_reason: int | None = None
        reason: FinishReason | None = None
        if score is None or (choice is not None and token is None):
            reason = "stop" if score is not None and choice is not None and choice.ended else "error"
        elif token is not None:
            sequence.token_ids.append(token)
            reason, stop_reason = self._end(sequence, token)
        elif chunk.sequence.request.params.max_tokens == 0 and end == sequence.num_prompt:
            reason = "length"
        if reason == "error":
            self.scheduler.distrust(sequence)
        else:
            self.scheduler.remember(sequence)
        if reason is not None:
            self._finish(sequence, reason)
        if token is None and reason is None and not score and routing is None:
            return None
        return Progress(
            request_id=group.request.request_id,
            index=sequence.index,
            token_id=token,
            logprobs=None if choice is None else choice.logprobs,
            prompt_logprobs=score or (),
            routing=routing,
            finish_reason=reason,
            stop_reason=stop_reason,
        )

    def _end(self, sequence: Sequence, token: int) -> tuple[FinishReason | None, int | None]:
        """Whether ``token``, just chosen, ends the sequence, and the stop token that did."""
        request = sequence.request
        params = request.params
        if not params.ignore_eos and token in request.eos_token_ids:
            return "stop", None
        if params.stop_token_ids and token in params.stop_token_ids:
            return "stop", token
        if sequence.constraint is not None and not _accepts(sequence.constraint, token):
            return "error", None
        if sequence.num_generated == params.max_tokens or len(sequence.token_ids) >= self.max_model_len:
            return "length", None
        return None, None

    def _finish(self, sequence: Sequence, reason: FinishReason) -> None:
        sequence.finish_reason = reason
        self.scheduler.remove(sequence)
        self.sampler.forget(sequence)
        if all(one.finish_reason for one in sequence.group.sequences):
            del self._groups[sequence.request.request_id]


def _accepts(constraint: Constraint, token: int) -> bool:
    """Whether a constraint could take in the token that was chosen."""
    try:
        constraint.accept(token)
    except Exception as error:
        LOG.warning("a constraint failed, which ends its request: %s", error)
        return False
    return True


def _score(logits_RV: Tensor, chunk: Chunk) -> Scores:
    """Logprobs of the prompt tokens that follow the chunk's scored positions, or None when some logit is not finite."""
    request = chunk.sequence.request
    tokens = request.prompt_token_ids[chunk.scored_from + 1 : chunk.scored_to + 1]
    found: list[TokenLogprobs] = []
    for start in range(0, len(tokens), ROWS_SCORED_AT_ONCE):
        rows_RV = logits_RV[start : start + ROWS_SCORED_AT_ONCE].float()
        if not rows_RV.sum(dim=-1).isfinite().all():
            return None
        some = tokens[start : start + ROWS_SCORED_AT_ONCE]
        found += read_logprobs(rows_RV, some, [request.params.prompt_logprobs or 0] * len(some))
    return tuple(found)


def _rows(host: Transfer | None, chunk: Chunk, row: int) -> RoutingRows | None:
    """The chunk's routing rows that were not handed out before; its tokens begin at ``row`` of the batch."""
    params = chunk.sequence.request.params
    if host is None or not params.routing:
        return None
    sequence = chunk.sequence
    end = chunk.start + chunk.count
    # A recomputed position is not said again; nor is a prompt position that another sequence of the request has read.
    start = max(chunk.start, sequence.group.prompt_read, sequence.num_read)
    if start >= end:
        return None
    held = slice(row + start - chunk.start, row + chunk.count)
    return RoutingRows(start, host, held, params.router_logits)
