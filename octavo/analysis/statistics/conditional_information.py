"""Conditional information: what the first choice E tells of the token id X, and of the domain D once X is known.

    entropy             H(E)
    token               I(E; X)
    domain              I(E; D)
    domain-given-token  I(E; D | X) = H(E | X) − H(E | X, D)          all in bits, a token

"Syntax, not topic" (Mixtral of Experts, section 5) is the claim that the second is large and the last is small. I(E; D)
alone cannot test it: domains use other words, so that a router which sees nothing but the token seems to know them.
"""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from jaxtyping import Float64, Int64

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.counted import expect_ranks
from octavo.analysis.statistics.information import (
    adjusted,
    conditional_entropy,
    entropy,
    jackknife_spread,
    mutual_information,
)
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.token_counts import token_counts
from octavo.analysis.statistics.words import Words, words_of
from octavo.errors import TraceError

MEASURES = ("entropy", "token", "domain", "domain-given-token")
BIASES = ("permutation", "miller-madow", "none")
GROUPS = 20
DRAWS = 8  # of the chance of a table of counts
# Tokens dealt out by chance in all: once for a long trace, whose mean is steady, often for a short one.
DEALT = 1 << 19


def conditional_information(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    bias: str = "permutation",
    max_tokens: int | None = None,
    seed: int = 0,
) -> list[Row]:
    """A row for each layer and measure, over all domains that the selection lets in.

    ``bias`` says how the bias of the plug-in information is taken off: "permutation" (adjusted, see ``information``;
    the domain is dealt out among the tokens of one id), "miller-madow", or "none". The shuffle null of the two measures
    with a domain deals the domains out to whole documents: what any grouping of these documents would give. Chance is
    0 for the token. ``max_tokens`` takes every second, third ... document of each domain, so that about
    so many tokens are left.
    Intervals are those of the jackknife over 20 groups of documents. Counts in place of rows
    give no "domain-given-token" and no intervals. Raises TraceError for a trace without token ids.
    """
    if bias not in BIASES:
        raise TraceError(f"no bias {bias!r} to take off: want one of {', '.join(BIASES)}")
    expect_ranks(source.manifest, ("first choice",), ("first choice",))
    if isinstance(source, Accumulators):
        return _accumulated(source, selection or source.selection, bias, np.random.default_rng(seed))
    selection = selection or Selection()
    words = words_of(source, selection, max_tokens)
    rng = np.random.default_rng(seed)
    if not words.num_tokens:
        return [
            row(layer=layer, measure=measure, value=None, n=0)
            for layer in selection.layers_of(source.manifest)
            for measure in MEASURES
        ]
    about_domains_L2 = _domain_values_L2(words, bias, rng, _repeats(words))
    value_LM = np.concatenate([_token_values_L2(words, bias, rng), about_domains_L2], axis=1)
    dealt_L2 = _dealt_out_L2(words, bias, rng)
    chance_LM = np.concatenate([np.full_like(dealt_L2, math.nan), dealt_L2], axis=1)
    if bias == "permutation":
        chance_LM[:, MEASURES.index("token")] = 0.0
    spread_LM = None if intervals is None else _spread_LM(words, value_LM)
    rows = []
    for place, layer in enumerate(selection.layers_of(source.manifest)):
        for column, measure in enumerate(MEASURES):
            value = float(value_LM[place, column])
            ends = None
            if spread_LM is not None and intervals is not None:
                reach = NormalDist().inv_cdf(0.5 + intervals.level / 2) * float(spread_LM[place, column])
                ends = (value - reach, value + reach)
            rows.append(
                row(
                    layer=layer,
                    measure=measure,
                    value=value,
                    n=words.num_tokens,
                    null_uniform=math.log2(words.num_experts) if measure == "entropy" else None,
                    null_shuffle=float(chance_LM[place, column]),
                    interval=ends,
                )
            )
    return rows


def _accumulated(source: Accumulators, selection: Selection, bias: str, rng: np.random.Generator) -> list[Row]:
    """The measures that need no domain of a token: counts do not hold which id was in which."""
    counts = token_counts(source, selection=selection)
    used_DLE = np.stack([source.table("rank", (domain,))[:, 0] for domain in source.domains])
    rows = []
    for place, layer in enumerate(counts.layers):
        table_XE, n = counts.count_LXE[place], int(counts.count_LXE[place].sum())
        token_X, used_E = table_XE.sum(axis=1), table_XE.sum(axis=0)
        h, token = entropy(used_E), mutual_information(table_XE, miller_madow=bias == "miller-madow")
        if n and bias == "permutation":
            chance = [h - conditional_entropy(_dealt_XE(token_X, used_E, rng)) for _ in range(DRAWS)]
            token = adjusted(token, float(np.mean(chance)), h)
        topic = mutual_information(used_DLE[:, source.layers.index(layer)], miller_madow=bias != "none")
        found = (entropy(used_E, miller_madow=bias != "none"), token, topic)
        even = (math.log2(source.manifest.num_experts), None, None)
        zero = (None, 0.0 if bias == "permutation" else None, None)
        for measure, value, most, chance_of in zip(MEASURES, found, even, zero, strict=False):
            rows.append(row(layer=layer, measure=measure, value=value, n=n, null_uniform=most, null_shuffle=chance_of))
    return rows


def _dealt_XE(
    token_X: Int64[np.ndarray, "X"], used_E: Int64[np.ndarray, "E"], rng: np.random.Generator
) -> Int64[np.ndarray, "X E"]:
    """A table of the same ids and experts, one dealt out to the other by chance."""
    if (n := int(used_E.sum())) > DEALT:
        # So many that it is all one whether what is dealt is laid back.
        return np.asarray(rng.multinomial(token_X, used_E / n))
    cell_T = np.repeat(np.arange(len(token_X)), token_X) * len(used_E)
    cell_T += rng.permutation(np.repeat(np.arange(len(used_E)), used_E))
    return np.asarray(np.bincount(cell_T, minlength=len(token_X) * len(used_E)).reshape(len(token_X), -1))


def _token_values_L2(words: Words, bias: str, rng: np.random.Generator) -> Float64[np.ndarray, "L 2"]:
    """H(E) and I(E; X) of every layer, their bias taken off."""
    shuffled_RT = [rng.permutation(words.num_tokens) for _ in range(_repeats(words) if bias == "permutation" else 0)]
    found = np.empty((len(words.first_LT), 2))
    for place, first_T in enumerate(words.first_LT):
        table_XE = words.table(words.word_T, first_T)
        h = entropy(table_XE.sum(axis=0))
        token = mutual_information(table_XE, miller_madow=bias == "miller-madow")
        if bias == "permutation":
            chance = [h - words.entropy_given(words.word_T, first_T[each]) for each in shuffled_RT]
            token = adjusted(token, float(np.mean(chance)), h)
        found[place] = entropy(table_XE.sum(axis=0), miller_madow=bias != "none"), token
    return found


def _domain_values_L2(words: Words, bias: str, rng: np.random.Generator, repeats: int) -> Float64[np.ndarray, "L 2"]:
    """I(E; D) and I(E; D | X) of every layer, their bias taken off."""
    pair_T = words.paired_with(words.domain_T)
    orders_RT = [words.order_within_ids(rng) for _ in range(repeats if bias == "permutation" else 0)]
    chance_RT = [words.paired_with(words.domain_T[order_T]) for order_T in orders_RT]
    found = np.empty((len(words.first_LT), 2))
    for place, first_T in enumerate(words.first_LT):
        topic = mutual_information(words.table(words.domain_T, first_T), miller_madow=bias != "none")
        if bias == "miller-madow":
            both, token = (
                mutual_information(words.table(each, first_T), miller_madow=True) for each in (pair_T, words.word_T)
            )
            found[place] = topic, both - token
            continue
        most = words.entropy_given(words.word_T, first_T)
        on_top = most - words.entropy_given(pair_T, first_T)
        if bias == "permutation":
            chance = [most - words.entropy_given(each_T, first_T) for each_T in chance_RT]
            on_top = adjusted(on_top, float(np.mean(chance)), most)
        found[place] = topic, on_top
    return found


def _dealt_out_L2(words: Words, bias: str, rng: np.random.Generator) -> Float64[np.ndarray, "L 2"]:
    """The mean of both measures with a domain where the domains are dealt out to the documents by chance."""
    domain_S = np.zeros(int(words.document_T.max()) + 1, np.int64)
    domain_S[words.document_T] = words.domain_T
    there_S = np.unique(words.document_T)
    repeats = max(2, _repeats(words) // 2)
    found = np.zeros((len(words.first_LT), 2))
    for _ in range(repeats):
        dealt_S = domain_S.copy()
        dealt_S[there_S] = rng.permutation(domain_S[there_S])
        found += _domain_values_L2(replace(words, domain_T=dealt_S[words.document_T]), bias, rng, max(1, repeats // 4))
    return found / repeats


def _spread_LM(words: Words, value_LM: Float64[np.ndarray, "L M"]) -> Float64[np.ndarray, "L M"] | None:
    """Standard errors by the jackknife over groups of documents; None where there is but one document.

    Of the plug-in figures, for they need no chance; the adjusted I' = H (I − Ī) / (H − Ī) moves (H − I') / (H − I)
    times as far as I does.
    """
    group_T, groups = words.groups(GROUPS)
    if groups < 2:
        return None
    plain_LM, most_LM = _plain_LM(words), np.full(value_LM.shape, np.inf)
    most_LM[:, 1] = plain_LM[:, 0]
    most_LM[:, 3] = [words.entropy_given(words.word_T, first_T) for first_T in words.first_LT]
    with np.errstate(invalid="ignore", divide="ignore"):
        stretch_LM = np.where(most_LM - plain_LM > 1e-12, (most_LM - value_LM) / (most_LM - plain_LM), 1.0)
    stretch_LM = np.where(np.isfinite(stretch_LM), stretch_LM, 1.0)
    without = [_plain_LM(words.among(group_T != group)) for group in range(groups)]
    spread = jackknife_spread(np.stack(without).reshape(groups, -1)).reshape(value_LM.shape)
    return np.asarray(spread * stretch_LM)


def _plain_LM(words: Words) -> Float64[np.ndarray, "L M"]:
    rng = np.random.default_rng(0)
    return np.concatenate([_token_values_L2(words, "none", rng), _domain_values_L2(words, "none", rng, 0)], axis=1)


def _repeats(words: Words) -> int:
    return min(16, max(1, DEALT // words.num_tokens))
