"""A thousand strings that were written to break a page, as tokens, names, titles and settings of a trace."""

from dataclasses import replace

import numpy as np

from octavo.analysis.store import DocumentRoutes
from tests.analysis.report.traces import manifest_of, random_choice
from tests.analysis.synthetic import MemoryTrace

MARKS = (
    "<script>{0}</script>",
    "</script><script>{0}</script>",
    "<img src=x onerror={0}>",
    "<svg/onload={0}>",
    '"><svg onload={0}>',
    "'><iframe srcdoc='<script>parent.{0}</script>'>",
    "javascript:{0}",
    "<a href=javascript:{0}>click</a>",
    "<details open ontoggle={0}>",
    "<body onload={0}>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror={0}>",
    "<template><script>{0}</script></template>",
    "<!--<script>{0}-->",
    "]]><script>{0}</script>",
    "{{{{constructor.constructor('{0}')()}}}}",
    "${{{0}}}",
    "`-{0}-`",
    "\\u003cscript\\u003e{0}\\u003c/script\\u003e",
    "&lt;script&gt;{0}&lt;/script&gt;",
    "<style>@import '//x/{0}'</style>",
    "<base href=//x/><link rel=stylesheet href=//x/{0}>",
    "<meta http-equiv=refresh content='0;url=javascript:{0}'>",
    "expression({0})",
    '=HYPERLINK("//x/{0}")',
    "@SUM({0})",
    "__proto__.{0}",
    '{{"octavo_array": "u1", "shape": [{0}]}}',
)
CALL = "owned({0})"
ODD = (
    "\u202e\u202dabc\u202c",
    "\u2066\u2067\u2068\u2069",
    "\u200b\u200c\u200d\u2060\ufeff",
    "\x00\x01\x1b[31m\x7f\x9f",
    "\u2028\u2029",
    "\U000e0041\U000e007f",
    "a" + "\u0301" * 60,
    "\ufdfd" * 20,
    "😀" * 50,
    "x" * 20_000,
    "ט" * 30 + "abc",
    "\ufffe\uffff",
    "%00%0d%0a",
    "__proto__",
    "constructor",
    "octavo_array",
    "\r\n\r\n<script>owned(0)</script>",
)
NO_TEXT = (b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xff\xfe", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xe2\x80", b"\x80" * 40)
WANTED = 1000


def hostile_strings() -> list[str]:
    """As many different texts as WANTED; each of them calls ``owned`` with its own number, if it is ever run."""
    found = list(ODD)
    while len(found) < WANTED:
        number = len(found)
        found.append(MARKS[number % len(MARKS)].format(CALL.format(number)) + "\u200b" * (number % 3))
    return found


def hostile_trace() -> MemoryTrace:
    """Every string a token, read in order, and many of them the names of all that has one."""
    texts = hostile_strings()
    pieces = {token: text.encode("utf-8") for token, text in enumerate(texts)}
    pieces |= {len(texts) + more: piece for more, piece in enumerate(NO_TEXT)}
    rng, size, documents = np.random.default_rng(0), 120, []
    order = np.arange(len(pieces))
    for number in range(-(-len(pieces) // size)):
        token_T = np.repeat(order[number * size : (number + 1) * size], 2)
        documents.append(
            DocumentRoutes(
                domain=texts[20 + number % 3],
                name=texts[30 + number] + f"/{number}",
                expert_TLK=random_choice(rng, (len(token_T), 2), 8, 2),
                token_T=token_T.astype(np.uint32),
            )
        )
    manifest = manifest_of(documents, vocab_size=len(pieces), model=texts[25])
    settings = {texts[40]: texts[41], "__proto__": texts[42], "octavo_array": "u1"}
    return MemoryTrace(given=documents, stated=replace(manifest, settings=settings), tokens=pieces)
