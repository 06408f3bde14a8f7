"""The counts by token of the real Mixtral 8x7B, as tests/golden holds them (see its README), in three of its layers."""

import functools
import json
import lzma
from pathlib import Path

import numpy as np

from octavo.analysis.statistics.token_counts import TokenCounts

COUNTS = Path(__file__).parents[2] / "golden" / "mixtral-8x7b-token-expert-counts.json.xz"
LAYERS = (0, 7, 15)


@functools.cache
def mixtral_tables() -> np.ndarray:
    """How often each id of each of five domains went to each expert as either choice: domains, layers, ids, experts."""
    found = json.loads(lzma.decompress(COUNTS.read_bytes()))["counts"]
    table = np.zeros((len(found), len(LAYERS), 32_000, 8), np.int64)
    for domain, layers in enumerate(found.values()):
        for place, experts in enumerate(layers):
            for expert, tokens in experts.items():
                table[domain, place, np.array([*map(int, tokens)]), int(expert)] += np.array([*tokens.values()])
    return table


@functools.cache
def mixtral_counts() -> TokenCounts:
    """All domains together."""
    return TokenCounts.of_table(mixtral_tables().sum(axis=0), layers=LAYERS, k=2)
