"""Bounds: what each number and list of a request may be at most, in one table for the check and for the description.

A bound that is a name is a field of ``Limits``, so that who runs the server sets it; the others are what the engine
or the meaning of the field allows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from octavo.errors import RequestError
from octavo.server.limits import Limits
from octavo.server.routes.schema.strict import shown


class FieldError(RequestError):
    """A request whose field ``param`` cannot be honoured."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A number from ``least`` to ``most``; the least itself is not allowed where it is ``open``."""

    least: float
    most: float | str
    open: bool = False

    def upper(self, limits: Limits) -> float:
        """The most, as ``limits`` have it."""
        return getattr(limits, self.most) if isinstance(self.most, str) else self.most

    def words(self, limits: Limits) -> str:
        """What is wanted, with the bound's name where it has one."""
        least = f"above {self.least:g} and" if self.open else f"from {spelled(self.least)}"
        name = f" ({self.most})" if isinstance(self.most, str) else ""
        return f"want a number {least} up to {spelled(self.upper(limits))}{name}"


MOST_TOKENS = 2**31
NUMBERS = {
    "n": Bound(least=1, most="max_n"),
    "best_of": Bound(least=1, most="max_n"),
    "temperature": Bound(least=0, most="max_temperature"),
    "top_p": Bound(least=0, most=1, open=True),
    "top_k": Bound(least=-1, most=MOST_TOKENS),
    "min_p": Bound(least=0, most=1),
    "repetition_penalty": Bound(least=0.01, most=100),
    "presence_penalty": Bound(least=-2, most=2),
    "frequency_penalty": Bound(least=-2, most=2),
    "seed": Bound(least=-(2**63), most=2**63 - 1),
    "max_tokens": Bound(least=0, most=MOST_TOKENS),
    "max_completion_tokens": Bound(least=0, most=MOST_TOKENS),
    "min_tokens": Bound(least=0, most=MOST_TOKENS),
    "logprobs": Bound(least=0, most="max_logprobs"),
    "top_logprobs": Bound(least=0, most="max_logprobs"),
    "prompt_logprobs": Bound(least=0, most="max_logprobs"),
}
COUNTS = {
    "stop": "max_stops",
    "stop_token_ids": "max_stop_token_ids",
    "logit_bias": "max_logit_bias",
    "messages": "max_messages",
    "tools": "max_tools",
    "guided_choice": "max_stops",
}
NAMES = ("model", "user", "service_tier", "safety_identifier", "prompt_cache_key")
LARGEST_BIAS = 100.0


def check_bounds(fields: BaseModel, limits: Limits) -> None:
    """Raises FieldError, which names the bound, for the first value of a request that passes one."""
    for name, bound in NUMBERS.items():
        value = getattr(fields, name, None)
        if value is None or isinstance(value, bool):
            continue
        if not bound.least <= value <= bound.upper(limits) or (bound.open and value == bound.least):
            raise FieldError(f"{name} is {shown(value)}: {bound.words(limits)}", name)
    for name, most in COUNTS.items():
        value = getattr(fields, name, None)
        if isinstance(value, list | dict) and len(value) > getattr(limits, most):
            raise FieldError(f"{name} has {len(value)} entries: want at most {getattr(limits, most)} ({most})", name)
    for name in NAMES:
        value = getattr(fields, name, None)
        if value is not None and len(value) > limits.max_name_characters:
            found = f"{name} has {len(value)} characters"
            raise FieldError(f"{found}: want at most {limits.max_name_characters} (max_name_characters)", name)
    for text in getattr(fields, "stops", ()):
        if not 1 <= len(text) <= limits.max_stop_characters:
            found = f"stop holds a string of {len(text)} characters"
            raise FieldError(f"{found}: want 1 to {limits.max_stop_characters} (max_stop_characters)", "stop")


def check_sequences(num_prompts: int, n: int, limits: Limits) -> None:
    """Raises FieldError where a request asks for too many outputs in all."""
    if num_prompts > limits.max_prompts:
        raise FieldError(f"prompt holds {num_prompts}: want at most {limits.max_prompts} (max_prompts)", "prompt")
    if num_prompts * n > limits.max_sequences:
        found = f"{num_prompts} prompts with n {n} are {num_prompts * n} outputs"
        raise FieldError(f"{found}: want at most {limits.max_sequences} (max_sequences)", "n")


def read_bias(logit_bias: dict[str, float] | None) -> dict[int, float] | None:
    """``logit_bias`` with whole numbers as keys, which JSON cannot have; raises FieldError."""
    if logit_bias is None:
        return None
    read: dict[int, float] = {}
    for key, bias in logit_bias.items():
        if not (key.isascii() and key.isdecimal() and len(key) < 12):
            raise FieldError(f"logit_bias has the key {shown(key)}: want token ids, such as '42'", "logit_bias")
        if abs(bias) > LARGEST_BIAS:
            raise FieldError(f"logit_bias[{int(key)}] is {shown(bias)}: want a number from -100 to 100", "logit_bias")
        read[int(key)] = bias
    return read


def describe_bounds(schema: Any, limits: Limits) -> None:
    """Writes the bounds into the properties of a request's JSON schema, in place."""
    for name, found in schema.get("properties", {}).items():
        for part in _parts(found):
            kind = part.get("type")
            if name in NUMBERS and kind in ("integer", "number"):
                part["exclusiveMinimum" if NUMBERS[name].open else "minimum"] = NUMBERS[name].least
                part["maximum"] = NUMBERS[name].upper(limits)
            if name in COUNTS and kind in ("array", "object"):
                part["maxItems" if kind == "array" else "maxProperties"] = getattr(limits, COUNTS[name])
            if name in NAMES and kind == "string":
                part["maxLength"] = limits.max_name_characters
            if name == "stop":
                text = part["items"] if kind == "array" else part if kind == "string" else {}
                text |= {"minLength": 1, "maxLength": limits.max_stop_characters} if text else {}


def _parts(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from found.get("anyOf", (found,))


def spelled(value: float) -> str:
    """A bound in full: 2147483648 and not 2.14748e+09."""
    return str(value) if isinstance(value, int) else f"{value:g}"
