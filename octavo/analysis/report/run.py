"""Run: all of a report's figures of one trace, as its page holds them.

Everything that counts alone can tell comes from one pass over all rows; what is shown of single tokens, and the charts
that need rows, come from the first documents of each domain (Sample), which a trace of statistics only does not have.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.accumulators.counting import ranks_by_document
from octavo.analysis.report.cards import commonest_tokens, contexts, expert_cards, spell_places
from octavo.analysis.report.counts import (
    distance_figures,
    load_rows,
    placement_figure,
    repetition_figures,
    share_figures,
    transition_figure,
)
from octavo.analysis.report.courses import ALL, COURSES, OPTIONS, held_columns
from octavo.analysis.report.excerpts import take_excerpts
from octavo.analysis.report.sample import Sample, draw_sample
from octavo.analysis.report.words import Spelling, Strings
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import CATALOGUE
from octavo.analysis.statistics.counted import Counted
from octavo.analysis.statistics.intervals import DocumentSums, Intervals
from octavo.analysis.statistics.shuffling import shuffled_repeats
from octavo.analysis.statistics.token_counts import TokenCounts, token_counts
from octavo.errors import TraceError

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""

MIN_COUNT = 10
REPLICATES = 200
SHOWN_SETTING = 120  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A trace and what a report says of it besides its figures.

    ``path`` is what commands call the trace, ``pieces`` gives the bytes of token ids and ``names`` the names of
    documents by number, both empty where nobody knows them. ``num_tokens`` is for the progress only.
    """

    name: str
    path: str
    source: TraceSource | Accumulators
    pieces: Mapping[int, bytes] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    num_tokens: int = 0


def describe_run(
    told: Told, strings: Strings, *, selection: Selection, intervals: Intervals | None, room: int, tell: Tell
) -> dict[str, Any]:
    """The page's account of one trace; ``room`` is how many bytes of the page its excerpts may take."""
    found = None if isinstance(told.source, Accumulators) else _count(told, selection, intervals, tell)
    counts = told.source if isinstance(told.source, Accumulators) else found.counts  # type: ignore[union-attr]
    if not counts.num_tokens:
        raise TraceError(f"{told.name} has no token that counts: trace some text, or let control tokens count")
    intervals = intervals if counts.contents.replicates else None
    spelling = Spelling(pieces=told.pieces)
    sample = None if isinstance(told.source, Accumulators) else draw_sample(told.source, told.pieces)
    manifest, domains = counts.manifest, _domains(counts)
    courses, left_out = _courses(sample, counts, selection, intervals, tell)
    return {
        "facts": _facts(counts) + left_out,
        "name": told.name,
        "path": shlex.quote(told.path),
        "counted": _counted(selection),
        "intervals": _said(intervals),
        "experts": manifest.num_experts,
        "chosen": manifest.num_experts_per_tok,
        "layers": list(counts.layers),
        "ranked": manifest.rank_ordered,
        "domains": domains,
        "share": share_figures(counts, selection=selection, intervals=intervals),
        "assignments": np.repeat([[each["tokens"]] for each in domains], len(counts.layers), axis=1),
        "repetition": repetition_figures(counts, found, selection=selection, intervals=intervals),
        "distance": distance_figures(counts, found, selection=selection),
        "transitions": transition_figure(counts, selection=selection),
        "placement": placement_figure(counts, selection=selection),
        "sampled": 0 if sample is None else sample.num_tokens,
        "excerpts": [] if sample is None else take_excerpts(sample, strings, spelling, names=told.names, room=room),
        **_tokens(counts, sample, strings, spelling, selection),
        "courses": courses,
    }


def _count(told: Told, selection: Selection, intervals: Intervals | None, tell: Tell) -> Counted:
    """One pass over all rows: the counts, and by document what chance in another order or under another label takes."""
    assert not isinstance(told.source, Accumulators), "counts need not be counted"
    contents = Contents(
        pairs=False,
        confidence=False,
        replicates=intervals.replicates if intervals else 0,
        seed=intervals.seed if intervals else 0,
    )
    counts = Accumulators(manifest=told.source.manifest, contents=contents, selection=selection)
    for domain in selection.domains_of(told.source):
        counts.room(domain)
    done, sums, widths = 0, {"rank": DocumentSums(), "shuffled": DocumentSums()}, {}
    for chunk in selection.chunks(told.source):
        counts.add(chunk)
        by_document = {
            "rank": ranks_by_document(chunk, selection.token_T(chunk), counts.coding),
            "shuffled": shuffled_repeats(chunk, selection, (1,), counts.coding),
        }
        for name, sum_SX in by_document.items():
            widths[name] = sum_SX.shape[1:]
            sums[name].add(chunk.domain, sum_SX.reshape(len(sum_SX), -1))
        done += chunk.num_tokens
        tell(f"counting {told.name}", done, told.num_tokens or done)
    return Counted(counts=counts, selection=selection, layers=counts.layers, sums=sums, widths=widths)


def _domains(counts: Accumulators) -> list[dict[str, Any]]:
    """Each domain, and all of them together where there are several."""
    groups: list[tuple[str, tuple[str, ...]]] = [(domain, (domain,)) for domain in counts.domains]
    if len(groups) > 1:
        groups.append((ALL, counts.domains))
    return [
        {"name": name, "tokens": int(counts.table("tokens", some)), "documents": int(counts.table("documents", some))}
        for name, some in groups
    ]


def _tokens(
    counts: Accumulators, sample: Sample | None, strings: Strings, spelling: Spelling, selection: Selection
) -> dict[str, Any]:
    """The cards of the experts and the commonest tokens; None where the trace does not say which tokens it is about."""
    none: dict[str, Any] = {"cards": None, "vocabulary": None}
    if not counts.manifest.rank_ordered:
        return none
    if counts.has("vocabulary"):
        count_LVE = counts.table("vocabulary")[:, :, 0]
        table = TokenCounts.of_table(count_LVE, layers=counts.layers, k=counts.coding.k, choice="first")
    elif sample is not None and sample.manifest.has_tokens:
        table = token_counts(sample, selection=selection)
    else:
        return none
    if not len(table.id_X):
        return none
    cards, common = expert_cards(table, min_count=MIN_COUNT), commonest_tokens(table)
    found = None
    if sample is not None and sample.manifest.has_tokens and counts.layers == sample.manifest.layers:
        found = contexts(sample, cards["token"], strings, spelling, selection=selection)
    spelled = {name: spell_places(each["token"], strings, spelling) for name, each in (("c", cards), ("v", common))}
    return {
        "cards": {**cards, "token": spelled["c"], "contexts": found},
        "vocabulary": {**common, "token": spelled["v"]},
    }


def _courses(
    sample: Sample | None, counts: Accumulators, selection: Selection, intervals: Intervals | None, tell: Tell
) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """The charts, and what is left out of them and why, as facts."""
    rows, left_out = {"load": load_rows(counts, selection=selection, intervals=intervals)}, []
    names = [name for name in dict.fromkeys(course.statistic for course in COURSES) if name not in rows]
    for done, name in enumerate(names if sample is not None else ()):
        assert sample is not None
        tell(f"measuring {name}", done, len(names))
        statistic = CATALOGUE.get(name)
        if statistic is None or not statistic.needs <= held_columns(sample.manifest):
            continue
        try:
            keywords = {"selection": selection, "intervals": intervals, **OPTIONS.get(name, {})}
            rows[name] = statistic.function(sample, **keywords)
        except TraceError as error:
            left_out.append(["left out", f"{name}: {error}"])
    pages = [course.page(rows.get(course.statistic, []), counts.layers) for course in COURSES]
    return [page for page in pages if page is not None], left_out


def _facts(counts: Accumulators) -> list[list[str]]:
    """What the manifest says, as pairs of words."""
    manifest = counts.manifest
    facts = [
        ["model", manifest.model or "not stated"],
        ["its weights' hash", (manifest.model_hash or "not stated")[:16]],
        ["experts", f"{manifest.num_experts_per_tok} of {manifest.num_experts} for every token"],
        ["score function", manifest.score_function],
        [
            "beginning of texts",
            {"tokenizer": "as the tokenizer adds it", "never": "no token of their own"}.get(manifest.bos, manifest.bos),
        ],
        ["most tokens of a document", str(manifest.context or "not stated")],
        ["order of the choices", {True: "known", False: "not kept", None: "unknown"}[manifest.rank_ordered]],
        ["recorded by", manifest.source],
    ]
    return facts + [[str(name), str(value)[:SHOWN_SETTING]] for name, value in manifest.settings.items()]


def _counted(selection: Selection) -> str:
    """Which tokens count, as a part of a sentence."""
    out = [
        name
        for name, kept in (("beginning-of-text tokens", selection.bos), ("other control tokens", selection.special))
        if not kept
    ]
    return f"{' and '.join(out)} left out" if out else "control tokens counted like any other"


def _said(intervals: Intervals | None) -> str:
    if intervals is None:
        return ""
    return f"Intervals hold {intervals.level:.0%}: documents drawn anew {intervals.replicates} times."
