"""Limits: every bound that the server puts on a stranger's bytes, numbers and patience, each with its default.

Three rings, from the outside in: what a connection may do (enforced by ``protocol``, before any request exists), what a
body may hold (``bodies``, before validation), and what a valid request may ask for (``schema``, before anything is
allocated); ``overload`` and ``deadlines`` bound how much of all that goes on at once, and for how long.
"""

import math
from dataclasses import dataclass, fields

from octavo.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one server; a value that passes one is refused with the bound named, by the status given here.

    A connection:
        max_header_bytes, max_headers: request line and headers together, and their number; past them 431.
        header_timeout, body_timeout: seconds for all headers to arrive, and then for the whole body; past them 408.
            Together they are the longest that a slow sender can hold a connection before its request begins.
        keep_alive_timeout: seconds that a connection may rest between two requests; then it is closed.
        max_connections: connections open at once; one more is answered 503 with Retry-After and closed.
        max_unsent_bytes, reader_timeout: bytes that may wait for a reader, and seconds that any may wait without the
            reader taking one; past them its connection is cut and its work freed.

    A body:
        max_body_bytes: past it 413, at once if Content-Length says so.
        max_pending_bytes: bytes of all bodies that are being received together; past it 429 with Retry-After.
        max_json_depth: arrays and objects inside each other; past it 400, as for all that follows.
        max_json_values: values in all, numbers and strings and what holds them.
        max_json_digits: digits of a number before its point, if it has one.

    A request:
        max_n: outputs for each prompt.  max_prompts: prompts in one request.  max_sequences: n times prompts.
        max_temperature: from 0 up to here.
        max_stops, max_stop_characters: stop strings and the length of each.  max_stop_token_ids: their number.
        max_logit_bias: tokens with a bias.  max_logprobs: alternatives at each position, of output and prompt.
        max_reported: numbers about single tokens, logprobs and routings, that an answer may hold if it gets as long as
            it may.
        max_messages: turns of a chat.  max_tools: functions that a chat may offer.
        max_grammar_bytes: a JSON schema or a regular expression for the output, as text.
        max_name_characters: a model's name, a user's, a request's identifier.

    All at once:
        max_queue: sequences that may wait besides those that run; one more is answered 429 with Retry-After.
        request_timeout: seconds from a request's headers to its answer's last byte; past them its work is freed, and
            the answer is 408, or an error in the stream that has begun.

    Raises ConfigError for a bound that no request could keep.
    """

    max_header_bytes: int = 32_768
    max_headers: int = 100
    header_timeout: float = 10.0
    body_timeout: float = 15.0
    keep_alive_timeout: float = 20.0
    max_connections: int = 4_096
    max_unsent_bytes: int = 1_000_000
    reader_timeout: float = 60.0

    max_body_bytes: int = 2_000_000
    max_pending_bytes: int = 256_000_000
    max_json_depth: int = 64
    max_json_values: int = 250_000
    max_json_digits: int = 20

    max_n: int = 16
    max_prompts: int = 64
    max_sequences: int = 256
    max_temperature: float = 2.0
    max_stops: int = 16
    max_stop_characters: int = 64
    max_stop_token_ids: int = 64
    max_logit_bias: int = 300
    max_logprobs: int = 20
    max_reported: int = 16_000_000
    max_messages: int = 1_024
    max_tools: int = 128
    max_grammar_bytes: int = 65_536
    max_name_characters: int = 256

    max_queue: int = 128
    request_timeout: float = 600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), LEAST.get(field.name, 1)
            real = isinstance(value, int if field.type is int else int | float) and not isinstance(value, bool)
            if not real or not math.isfinite(value) or value < least:
                kind = "a whole number" if field.type is int else "a finite number"
                raise ConfigError(f"{field.name} is {value!r}: want {kind} of at least {least:g}")


# What a bound must at least be for an ordinary client to be served at all; 1 where nothing is said.
LEAST: dict[str, float] = {
    "max_header_bytes": 1_024,
    "max_headers": 16,
    "header_timeout": 0.1,
    "body_timeout": 0.1,
    "keep_alive_timeout": 0.1,
    "max_unsent_bytes": 65_536,
    "reader_timeout": 0.1,
    "max_body_bytes": 1_024,
    "max_json_depth": 16,
    "max_temperature": 0,
    "max_stops": 0,
    "max_stop_token_ids": 0,
    "max_logit_bias": 0,
    "max_logprobs": 0,
    "max_tools": 0,
    "max_queue": 0,
    "request_timeout": 0.1,
}
