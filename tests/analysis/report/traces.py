"""A small trace with everything that a report shows: two domains, words, weights, special tokens, a missing route."""

from collections.abc import Sequence

import numpy as np

from octavo.analysis.chunk import Flag
from octavo.analysis.store import DocumentRoutes
from tests.analysis.synthetic import MemoryTrace, manifest_of, random_choice

VOCABULARY = 40
PIECES = {0: b"<s>"} | {token: f" w{token}".encode() for token in range(1, VOCABULARY)}


def documents(
    *, domains: Sequence[str] = ("code", "prose"), each: int = 3, length: int = 60, layers: int = 4, seed: int = 0
) -> list[DocumentRoutes]:
    """Documents by chance, but that an expert of layer 0 is its token's id mod 8."""
    rng = np.random.default_rng(seed)
    found = []
    for domain in domains:
        for number in range(each):
            expert_TLK = random_choice(rng, (length, layers), 8, 2)
            token_T = rng.integers(1, VOCABULARY, length)
            token_T[0] = 0
            expert_TLK[:, 0, 0] = token_T % 8
            expert_TLK[:, 0, 1] = (token_T + 1) % 8
            flag_T = np.zeros(length, np.uint16)
            flag_T[0] = Flag.BOS | Flag.SPECIAL
            flag_T[5] = Flag.MISSING
            weight_TL = 0.5 + 0.5 * rng.random((length, layers)).astype(np.float32)
            found.append(
                DocumentRoutes(
                    domain=domain,
                    name=f"{domain}/{number}.txt",
                    expert_TLK=expert_TLK,
                    token_T=token_T.astype(np.uint32),
                    flag_T=flag_T,
                    weight_TLK=np.stack([weight_TL, 1 - weight_TL], axis=-1),
                )
            )
    return found


def small_trace(**shape: int | Sequence[str]) -> MemoryTrace:
    """The documents as a trace that knows its words."""
    given = documents(**shape)  # type: ignore[arg-type]
    manifest = manifest_of(given, vocab_size=VOCABULARY, model="toy", settings={"dtype": "float32"})
    return MemoryTrace(given=given, stated=manifest, tokens=PIECES, special_ids=frozenset({0}))
