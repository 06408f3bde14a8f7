"""What travels on the link: values of the engine as plain lists, numbers, texts and bytes, and back.

    to the engine    open, SETTINGS · add, REQUEST, GRAMMAR · abort, ID, INDEX · stop
    from the engine  ready, FACTS · failed, CLASS, TEXT · said, PROGRESS..., REPORT · load, LOAD · refused, ID, TEXT

Only what differs from its default is sent of a request's parameters; they are checked again where they arrive. A
request's constraint is not sent: it is made there, of the grammar.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.config import ModelConfig
from octavo.engine.params import SamplingParams
from octavo.engine.request import Progress, Request, RoutingRows, TokenLogprobs
from octavo.engine.transfer import HostRouting
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.service import ServiceFacts, ServiceLoad, StepReport

Plain = list[Any]

_DEFAULTS = SamplingParams()
_PARAMS = tuple(field.name for field in dataclasses.fields(SamplingParams))


def request_to_plain(request: Request) -> Plain:
    """A request as it is sent."""
    params = {name: value for name in _PARAMS if (value := getattr(request.params, name)) != getattr(_DEFAULTS, name)}
    for name in ("stop", "stop_token_ids", "logit_bias"):
        if name in params:
            given = params[name]
            params[name] = dict(given) if name == "logit_bias" else given if isinstance(given, str) else list(given)
    return [
        request.request_id,
        list(request.prompt_token_ids),
        params,
        sorted(request.eos_token_ids),
        request.cache_salt,
    ]


def request_of(plain: Plain) -> Request:
    """A request as it was sent; raises RequestError for parameters that cannot be."""
    name, prompt, params, ends, salt = plain
    return Request(
        request_id=name,
        prompt_token_ids=tuple(prompt),
        params=SamplingParams(**params),
        eos_token_ids=frozenset(ends),
        cache_salt=salt,
    )


def grammar_to_plain(grammar: GrammarSpec | None) -> Plain | None:
    """A grammar as it is sent."""
    return None if grammar is None else [grammar.kind, grammar.source]


def grammar_of(plain: Plain | None) -> GrammarSpec | None:
    """A grammar as it was sent."""
    return None if plain is None else GrammarSpec(kind=plain[0], source=plain[1])


def progress_to_plain(progress: Progress) -> Plain:
    """Progress as it is sent; looks at its routing rows, and waits for them."""
    return [
        progress.request_id,
        progress.index,
        progress.token_id,
        _logprobs_to_plain(progress.logprobs),
        [_logprobs_to_plain(each) for each in progress.prompt_logprobs],
        None if progress.routing is None else _rows_to_plain(progress.routing),
        progress.finish_reason,
        progress.stop_reason,
    ]


def progress_of(plain: Plain) -> Progress:
    """Progress as it was sent, its routing rows in arrays of their own."""
    name, index, token, logprobs, prompt_logprobs, rows, reason, stop = plain
    return Progress(
        request_id=name,
        index=index,
        token_id=token,
        logprobs=None if logprobs is None else _logprobs_of(logprobs),
        prompt_logprobs=tuple(map(_logprobs_of, prompt_logprobs)),
        routing=None if rows is None else _rows_of(rows),
        finish_reason=reason,
        stop_reason=stop,
    )


def load_to_plain(load: ServiceLoad) -> Plain:
    """A load as it is sent."""
    return list(dataclasses.astuple(load))


def load_of(plain: Plain) -> ServiceLoad:
    """A load as it was sent."""
    names = (field.name for field in dataclasses.fields(ServiceLoad))
    return ServiceLoad(**dict(zip(names, plain, strict=True)))


def report_to_plain(report: StepReport) -> Plain:
    """A step's report as it is sent."""
    counts = report.expert_count_LE
    return [
        report.seconds,
        report.tokens_read,
        report.prompt_tokens,
        report.tokens_chosen,
        report.num_sequences,
        list(report.started),
        None if counts is None else [list(counts.shape), counts.astype("<i8").tobytes()],
        load_to_plain(report.load),
    ]


def report_of(plain: Plain) -> StepReport:
    """A step's report as it was sent."""
    seconds, read, prompt, chosen, sequences, started, counts, load = plain
    return StepReport(
        seconds=seconds,
        tokens_read=read,
        prompt_tokens=prompt,
        tokens_chosen=chosen,
        num_sequences=sequences,
        started=tuple(started),
        expert_count_LE=None if counts is None else _array(counts[1], "<i8", counts[0]),
        load=load_of(load),
    )


def facts_to_plain(facts: ServiceFacts) -> Plain:
    """Facts as they are sent."""
    fields = {field.name: getattr(facts, field.name) for field in dataclasses.fields(facts)}
    fields["config"] = dataclasses.asdict(facts.config)
    fields["eos_token_ids"] = sorted(facts.eos_token_ids)
    return [fields]


def facts_of(plain: Plain) -> ServiceFacts:
    """Facts as they were sent."""
    fields = dict(plain[0])
    fields["config"] = ModelConfig(**fields["config"])
    fields["eos_token_ids"] = frozenset(fields["eos_token_ids"])
    return ServiceFacts(**fields)


def _logprobs_to_plain(found: TokenLogprobs | None) -> Plain | None:
    return None if found is None else [found.token_ids, found.logprobs, found.rank]


def _logprobs_of(plain: Plain) -> TokenLogprobs:
    return TokenLogprobs(tuple(plain[0]), tuple(plain[1]), plain[2])


def _rows_to_plain(rows: RoutingRows) -> Plain:
    experts, weights, logits = rows.arrays()
    return [
        rows.start,
        experts.shape,
        experts.astype("<i2").tobytes(),
        weights.astype("<f4").tobytes(),
        None if logits is None else [logits.shape, logits.astype("<f4").tobytes()],
    ]


def _rows_of(plain: Plain) -> RoutingRows:
    start, shape, experts, weights, logits = plain
    host = HostRouting(
        _array(experts, "<i2", shape),
        _array(weights, "<f4", shape),
        None if logits is None else _array(logits[1], "<f4", logits[0]),
    )
    return RoutingRows(start, host, slice(0, shape[0]), logits is not None)


def _array(raw: bytes, dtype: str, shape: Sequence[int]) -> np.ndarray:
    return np.frombuffer(raw, dtype=dtype).reshape(shape)
