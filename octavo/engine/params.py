"""SamplingParams: what a caller may ask of one request, in vLLM's names; every value is checked when it is made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from octavo.errors import RequestError

MOST_SAMPLES = 1024
MOST_STOPS = 256
LONGEST_STOP = 4096
MOST_TOKENS = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How to choose tokens, when to stop, and what to report; the defaults are vLLM's.

    ``temperature`` 0 is greedy. ``top_k`` 0 or -1 keeps every token. ``max_tokens`` None goes on to the model's length;
    0 only reads the prompt. ``logprobs`` m reports for each token its own and the m best logprobs of the model's
    distribution as it stands before any control, -1 all of them; ``prompt_logprobs`` does so for the prompt. ``stop``
    ends at a text, ``stop_token_ids`` at a token. ``routing`` reports which experts read each token, and
    ``router_logits`` adds the router's logits. ``skip_reading_prefix_cache`` has the prompt read, remembered or not.

    Raises RequestError, in one line, for a value out of its bounds.
    """

    n: int = 1
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: str | Sequence[str] | None = None
    stop_token_ids: Sequence[int] | None = None
    logit_bias: Mapping[int, float] | None = None
    seed: int | None = None
    max_tokens: int | None = 16
    min_tokens: int = 0
    ignore_eos: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    include_stop_str_in_output: bool = False
    routing: bool = False
    router_logits: bool = False
    skip_reading_prefix_cache: bool = False

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_lengths(self)
        _check_stops(self)
        _check_bias(self.logit_bias)
        for name in (
            "ignore_eos",
            "detokenize",
            "skip_special_tokens",
            "include_stop_str_in_output",
            "routing",
            "router_logits",
            "skip_reading_prefix_cache",
        ):
            if not isinstance(getattr(self, name), bool):
                raise RequestError(f"{name} is {getattr(self, name)!r}: want True or False")
        if self.router_logits and not self.routing:
            raise RequestError("router_logits is True but routing is not: set routing=True as well")

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken instead of a random one."""
        return self.temperature < 1e-5

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """``stop`` as a tuple."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def penalised(self) -> bool:
        """Whether any penalty looks at the tokens so far."""
        return self.repetition_penalty != 1.0 or self.presence_penalty != 0.0 or self.frequency_penalty != 0.0

    @property
    def edited(self) -> bool:
        """Whether any control changes the logits before the choice, greedy or not."""
        return self.penalised or bool(self.logit_bias) or self.min_tokens > 0


def _check_numbers(params: SamplingParams) -> None:
    _number("temperature", params.temperature, 0.0, 100.0)
    _number("top_p", params.top_p, 0.0, 1.0)
    if params.top_p == 0:
        raise RequestError("top_p is 0: want a number above 0 and up to 1; for the likeliest token set temperature=0")
    _number("min_p", params.min_p, 0.0, 1.0)
    _number("repetition_penalty", params.repetition_penalty, 0.01, 100.0)
    _number("presence_penalty", params.presence_penalty, -2.0, 2.0)
    _number("frequency_penalty", params.frequency_penalty, -2.0, 2.0)
    _whole("n", params.n, 1, MOST_SAMPLES)
    _whole("top_k", params.top_k, -1, MOST_TOKENS)
    if params.seed is not None:
        _whole("seed", params.seed, -(2**63), 2**63 - 1)
    if params.greedy and params.n > 1:
        raise RequestError(
            f"n is {params.n} with temperature {params.temperature}: greedy samples are all the same, "
            "so set n=1 or a temperature above 0"
        )


def _check_lengths(params: SamplingParams) -> None:
    if params.max_tokens is not None:
        _whole("max_tokens", params.max_tokens, 0, MOST_TOKENS)
    _whole("min_tokens", params.min_tokens, 0, MOST_TOKENS)
    if params.max_tokens is not None and params.min_tokens > params.max_tokens:
        raise RequestError(
            f"min_tokens is {params.min_tokens}, more than max_tokens, which is {params.max_tokens}: "
            "lower the first or raise the second"
        )
    for name in ("logprobs", "prompt_logprobs"):
        if getattr(params, name) is not None:
            _whole(name, getattr(params, name), -1, MOST_TOKENS)


def _check_stops(params: SamplingParams) -> None:
    stop: object = params.stop
    if isinstance(stop, bytes) or not isinstance(stop, str | Sequence | None):
        raise RequestError(f"stop is {_shown(params.stop)}: want a string or a list of strings")
    stops = params.stop_strings
    if len(stops) > MOST_STOPS:
        raise RequestError(f"stop has {len(stops)} strings: want at most {MOST_STOPS}")
    for text in stops:
        if not isinstance(text, str):
            raise RequestError(f"stop holds {_shown(text)}: want strings only")
        if not 0 < len(text) <= LONGEST_STOP:
            raise RequestError(f"stop holds a string of {len(text)} characters: want 1 to {LONGEST_STOP}")
    if stops and not params.detokenize:
        raise RequestError(
            "stop is set but detokenize is False: a stop string is found in text, so set detokenize=True"
        )
    ids = params.stop_token_ids
    if ids is None:
        return
    if isinstance(ids, str | bytes) or not isinstance(ids, Sequence):
        raise RequestError(f"stop_token_ids is {_shown(ids)}: want a list of token ids")
    if len(ids) > MOST_STOPS:
        raise RequestError(f"stop_token_ids has {len(ids)} ids: want at most {MOST_STOPS}")
    for token_id in ids:
        _whole("an id in stop_token_ids", token_id, 0, MOST_TOKENS)


def _check_bias(logit_bias: object) -> None:
    if logit_bias is None:
        return
    if not isinstance(logit_bias, Mapping):
        raise RequestError(
            f"logit_bias is {_shown(logit_bias)}: want a dict from token id to a number from -100 to 100"
        )
    for token_id, bias in logit_bias.items():
        _whole("a key of logit_bias", token_id, 0, MOST_TOKENS)
        _number(f"logit_bias[{token_id}]", bias, -100.0, 100.0)


def _whole(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RequestError(f"{name} is {_shown(value)}: want a whole number from {least} to {most}")


def _number(name: str, value: object, least: float, most: float) -> None:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    # The comparison is false for NaN, so NaN is refused too.
    if not real or not least <= value <= most or not math.isfinite(value):  # type: ignore[operator, arg-type]
        raise RequestError(f"{name} is {_shown(value)}: want a number from {least:g} to {most:g}")


def _shown(value: object) -> str:
    """The value as an error may show it: on one line, and short whatever a caller sent."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
