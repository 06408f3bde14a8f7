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
def mixtral_counts() -> TokenCounts:
    """All five domains together: how often each id went to each expert as either choice."""
    found = json.loads(lzma.decompress(COUNTS.read_bytes()))["counts"]
    table = np.zeros((len(LAYERS), 32_000, 8), np.int64)
    for layers in found.values():
        for place, experts in enumerate(layers):
            for expert, tokens in experts.items():
                table[place, np.array([*map(int, tokens)]), int(expert)] += np.array([*tokens.values()])
    return TokenCounts.of_table(table, layers=LAYERS, k=2)
