"""Paths: the way of a token through the experts of all layers, by its first choices.

    distinct   the number of different paths
    entropy    H(path) in bits, plug-in: at most log2 of the tokens, so compare it with its null, not with Σ_l H(e_l)
    path       a frequent path, and the share of the tokens that take it

The null makes the layers independent: each layer's choices are dealt out to the tokens of the domain anew.
"""

import numpy as np
from jaxtyping import Int64, Integer

from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.counted import expect_ranks
from octavo.analysis.statistics.information import entropy
from octavo.analysis.statistics.intervals import Intervals, generator
from octavo.analysis.statistics.ratios import group_of, name_of
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError


def paths(
    source: TraceSource,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    top: int = 20,
    seed: int = 0,
    by: str = "domain",
) -> list[Row]:
    """Rows by domain and measure; those of the ``top`` paths hold the path as ``3-0-7``, by layer, and its rank.

    Choose some layers through the selection to see paths that repeat: through 32 layers nearly every token has one of
    its own. The marginal null of a path is the product of its choices' shares, that of the others comes from one deal
    (fixed by ``seed``). Needs L bytes of memory a token.
    """
    del intervals  # neither the number nor the entropy of rare things survives drawing documents again
    if top < 0:
        raise TraceError(f"the {top} most frequent paths: want 0 or more")
    selection = selection or Selection()
    expect_ranks(source.manifest, ("first choice",), ("first choice",))
    parts: dict[str, list[np.ndarray]] = {}
    for chunk in selection.chunks(source):
        kept_LT = chunk.expert_LTK[:, selection.token_T(chunk), 0]
        parts.setdefault(group_of(chunk.domain, by), []).append(kept_LT)
    rows, num_experts = [], source.manifest.num_experts
    for domain, pieces in parts.items():
        rows += _rows(domain, np.concatenate(pieces, axis=1), num_experts, top=top, seed=seed)
    return rows


def _rows(domain: str, first_LT: Integer[np.ndarray, "L T"], num_experts: int, *, top: int, seed: int) -> list[Row]:
    num_layers, n = first_LT.shape
    where_P, count_P = distinct_paths(first_LT, num_experts)
    rng = generator(seed, domain)
    dealt_LT = np.stack([rng.permutation(first_T) for first_T in first_LT])
    _, chance_P = distinct_paths(dealt_LT, num_experts)
    value = {"distinct": (len(count_P), len(chance_P)), "entropy": (entropy(count_P), entropy(chance_P))}
    keys = {"domain": name_of(domain), "layers": num_layers}
    rows = [
        row(**keys, measure=measure, path=None, rank=None, value=float(found), n=n, null_marginal=float(chance))
        for measure, (found, chance) in value.items()
    ]
    share_LE = np.stack([np.bincount(first_T, minlength=num_experts) for first_T in first_LT]) / max(n, 1)
    for rank, place in enumerate(np.lexsort((where_P, -count_P))[:top]):
        path = first_LT[:, where_P[place]].tolist()
        chance = float(np.prod(share_LE[np.arange(num_layers), path]))
        rows.append(
            row(
                **keys,
                measure="path",
                path="-".join(map(str, path)),
                rank=rank,
                value=float(count_P[place] / n),
                n=n,
                null_uniform=float(num_experts) ** -num_layers,
                null_marginal=chance,
            )
        )
    return rows


def distinct_paths(
    first_LT: Integer[np.ndarray, "L T"], num_experts: int
) -> tuple[Int64[np.ndarray, "P"], Int64[np.ndarray, "P"]]:
    """Where each distinct path stands first, and how often it occurs: exact, whatever the number of layers.

    A path is a number in base E of as many digits as 63 bits hold; then the numbers met are counted through, and more
    digits appended.
    """
    number_T = np.zeros(first_LT.shape[1], np.int64)
    bound = 1
    for first_T in first_LT:
        if bound * num_experts >= 1 << 62:
            met, number_T = np.unique(number_T, return_inverse=True)
            bound = len(met)
        number_T = number_T * num_experts + first_T
        bound *= num_experts
    _, where_P, count_P = np.unique(number_T, return_index=True, return_counts=True)
    return where_P, count_P
