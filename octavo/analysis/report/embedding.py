"""A report's data inside its page: JSON that no browser can take for markup, arrays as the base64 of their bytes.

    page = template, its one empty place filled with JSON in which ``<``, ``>`` and ``&`` are written as escapes

The template is built from ``web/`` and committed beside this file; whoever only uses Octavo needs no Node.
"""

import base64
import html
import json
from importlib import resources
from typing import Any

import numpy as np

from octavo.errors import TraceError

TEMPLATE = "page.html"
PLACE = '<script type="application/json" id="report">null</script>'
TITLE = "<title>Octavo report</title>"
# JSON may write any character as an escape; these three are all that means anything inside an element of HTML.
ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def fill_template(document: dict[str, Any], *, title: str) -> str:
    """Returns the page that shows ``document``; raises TraceError where the package's template is not whole."""
    template = resources.files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    if template.count(PLACE) != 1 or template.count(TITLE) != 1:
        raise TraceError(f"the package's {TEMPLATE} is damaged, it has no place for the figures: install Octavo anew")
    # A lone surrogate cannot be written in UTF-8; the page's own data holds it as an escape.
    named = title.encode("utf-8", "replace").decode("utf-8")
    head, tail = template.replace(TITLE, f"<title>{html.escape(named)}</title>").split(PLACE)
    return head + PLACE.replace("null", to_json(document)) + tail


def to_json(document: dict[str, Any]) -> str:
    """Returns the document as ASCII that is JSON and, inside a script element, only text."""
    text = json.dumps(document, default=_pack, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPES)


def _pack(value: Any) -> Any:
    """An array as its kind, its shape and its bytes; whole numbers take the fewest bytes that hold them all."""
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a {type(value).__name__} has no place in a report")
    if value.dtype.kind == "f":
        kind, packed = "f4", value.astype("<f4")
    else:
        most = int(value.max(initial=0))
        assert int(value.min(initial=0)) >= 0, "counts, ids and places are not negative"
        kind = next(name for name, room in (("u1", 2**8), ("u2", 2**16), ("u4", 2**32)) if most < room)
        packed = value.astype("<" + kind)
    return {"octavo_array": kind, "shape": value.shape, "base64": base64.b64encode(packed.tobytes()).decode("ascii")}
