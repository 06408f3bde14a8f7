"""JSON from a stranger: its bytes are measured before they are parsed, and what no field could mean is refused.

The outline of a text is what is left when its strings are taken out: brackets, commas, numbers and literals. On it the
depth, the number of values and the digits are counted in linear time, so that parsing never meets what it cannot bear.
"""

import functools
import json
import re
from collections.abc import Sequence

import numpy as np

from octavo.errors import RequestError
from octavo.server.edge.refusal import shown
from octavo.server.limits import Limits

# Possessive, with the closing quote optional: one pass, however the quotes are broken.
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# With few digits before the point, a power of two digits is finite; nothing that is asked for here needs more.
POWER = re.compile(rb"\d[eE]\+?0*+\d{3}")
# Half of a pair, in any spelling of its four digits; whether its other half stands beside it, the encoder finds out.
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
STEP = np.zeros(256, dtype=np.int8)
STEP[list(b"[{")] = 1
STEP[list(b"]}")] = -1


def read_json(body: bytes, limits: Limits) -> object:
    """The value that a body of UTF-8 holds.

    Raises RequestError, in one line that repeats little of the body: for broken UTF-8 or JSON; for arrays and objects
    too deep, values too many or numbers too long for ``limits``; for a number that is not finite, half a surrogate
    pair, or a name that stands twice in one object (of which two readers may believe different ones).
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not UTF-8 at byte {error.start}: send JSON in UTF-8") from None
    check_outline(STRING.sub(b'"', body), limits)
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
        if SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON at character {error.pos}: {error.msg}") from None
    except UnicodeEncodeError:
        raise RequestError("a string holds half of a surrogate pair: escape a character as a whole pair") from None
    return value


def check_outline(outline: bytes, limits: Limits) -> None:
    """Raises RequestError where a text without its strings is too deep, too long or not finite."""
    num_values = 1 + outline.count(b",") + outline.count(b"[") + outline.count(b"{")
    if num_values > limits.max_json_values:
        raise RequestError(
            f"the body holds about {num_values} values: want at most {limits.max_json_values} (max_json_values)"
        )
    depth = int(STEP[np.frombuffer(outline, dtype=np.uint8)].cumsum(dtype=np.int32).max(initial=0))
    if depth > limits.max_json_depth:
        raise RequestError(f"the body is {depth} levels deep: want at most {limits.max_json_depth} (max_json_depth)")
    if _long_number(limits.max_json_digits).search(outline):
        raise RequestError(f"a number is too long: want at most {limits.max_json_digits} digits (max_json_digits)")
    if POWER.search(outline):
        raise RequestError("a number has a power of ten of three digits: want one below 1e100")


@functools.cache
def _long_number(digits: int) -> re.Pattern[bytes]:
    """What finds more than so many digits that do not follow a point."""
    return re.compile(rb"(?<![\d.])\d{%d}" % (digits + 1))


def _refuse_constant(name: str) -> object:
    raise RequestError(f"a number is {name}: want a finite one")


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    for name, _ in pairs:
        if name not in found:
            raise RequestError(f"the name {shown(name)} stands twice in one object: want each once")
        del found[name]
    raise AssertionError("fewer names than pairs, and none twice")
