"""Excerpts: the beginnings of a few documents with every token's route, for the coloured text and the grid.

They are what makes a page large: a token takes a byte for each layer's route and one for its weight, so their length is
set by the room that there is.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from octavo.analysis.chunk import Chunk
from octavo.analysis.report.sample import Sample
from octavo.analysis.report.words import Spelling, Strings

MOST_TOKENS = 480  # of one excerpt: more than anyone reads, and a page stays quick
FEWEST_TOKENS = 24
EXCERPTS = 12
A_TOKEN = 4  # bytes beside its routes and weights: its text's place, its flags
BASE64 = 4 / 3


def take_excerpts(
    sample: Sample, strings: Strings, spelling: Spelling, *, names: Mapping[int, str], room: int
) -> list[dict[str, Any]]:
    """The page's excerpts, of every domain at least one; ``room`` in bytes of the page is shared among them.

    ``names`` gives the names of documents by number.
    """
    manifest, domains = sample.manifest, sample.domains
    each_domain = max(1, min(3, EXCERPTS // max(1, len(domains))))
    layers, k = len(manifest.layers), manifest.num_experts_per_tok
    bytes_a_token = BASE64 * (
        A_TOKEN + layers * (1 if manifest.coding.fits_a_byte else k * manifest.coding.id_dtype.itemsize)
    ) + BASE64 * layers * int(manifest.has_weights)
    length = int(room / bytes_a_token / max(1, each_domain * len(domains)))
    length = max(FEWEST_TOKENS, min(MOST_TOKENS, length))
    found = []
    for place, domain in enumerate(domains):
        chunk = sample.held[domain]
        for document in _choose(chunk, length, each_domain):
            number = int(chunk.document_S[document])
            start = int(chunk.start_S1[document])
            rows = slice(start, min(start + length, int(chunk.start_S1[document + 1])))
            excerpt = _excerpt(chunk, rows, strings, spelling)
            about = {"domain": place, "document": number, "name": names.get(number, f"document {number}")}
            found.append({**about, **excerpt})
    return found


def _choose(chunk: Chunk, length: int, wanted: int) -> list[int]:
    """The first documents that fill an excerpt; where there are too few, the longest of the others."""
    size_S = np.diff(chunk.start_S1)
    order = np.lexsort((np.arange(len(size_S)), -np.minimum(size_S, length)))
    return sorted(order[:wanted].tolist())


def _excerpt(chunk: Chunk, rows: slice, strings: Strings, spelling: Spelling) -> dict[str, Any]:
    known_T = None if chunk.token_T is None else chunk.token_T[rows].tolist()
    texts = ["·"] * (rows.stop - rows.start) if known_T is None else spelling.texts(known_T)
    weight = None
    if chunk.weight_LTK is not None:
        known = np.nan_to_num(chunk.weight_LTK[:, rows, 0], nan=0.0)
        weight = np.rint(np.clip(known, 0, 1) * 255).astype(np.uint8)
    return {
        "start": int(chunk.position_T[rows.start]),
        "text": strings.all(texts),
        "route": chunk.expert_LTK[:, rows] if chunk.code_LT is None else chunk.code_LT[:, rows],
        "weight": weight,
        "flag": chunk.flag_T[rows],
    }
