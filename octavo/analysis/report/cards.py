"""Cards: the tokens that an expert reads more often than chance would have it, where they stood, and the commonest.

The order is that of the statistic ``preferred-tokens``: standard deviations above chance.
"""

from typing import Any

import numpy as np

from octavo.analysis.report.sample import Sample
from octavo.analysis.report.words import NOWHERE, Spelling, Strings
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.preferred_tokens import preferred_rows
from octavo.analysis.statistics.token_counts import TokenCounts

TOP = 12
CONTEXTS = 3
NEIGHBOURS = 6  # tokens shown on either side of one in its context
SIDE = 26  # and characters at most
COMMONEST = 160


def expert_cards(counts: TokenCounts, *, min_count: int) -> dict[str, Any]:
    """The tokens of each layer and expert [L, E, TOP] as ids, how often the expert read each, how often each occurs."""
    shape = (len(counts.layers), counts.count_LXE.shape[2], TOP)
    found = {"token": np.full(shape, NOWHERE), "count": np.zeros(shape, int), "of": np.zeros(shape, int)}
    for row in preferred_rows(counts, top=TOP, min_count=min_count):
        place = counts.layers.index(row["layer"]), row["expert"], row["rank"]
        found["token"][place] = row["token_id"]
        found["count"][place] = round(row["value"] * row["n"])
        found["of"][place] = row["n"]
    return {**found, "minimum": min_count, "choice": counts.choice}


def contexts(
    sample: Sample, token_LEN: np.ndarray, strings: Strings, spelling: Spelling, *, selection: Selection
) -> dict[str, Any]:
    """Where some tokens of each card stood [L, E, CONTEXTS], as places of the text before, of the token, and after."""
    shape = (*token_LEN.shape[:2], CONTEXTS)
    text, domain = np.full((*shape, 3), NOWHERE), np.zeros(shape, int)
    taken = np.zeros(shape[:2], int)
    for place, name in enumerate(sample.domains):
        chunk = sample.held[name]
        assert chunk.token_T is not None, "there are no cards without token ids"
        token_T = np.where(selection.token_T(chunk), chunk.token_T.astype(np.int64), -1)
        # So that the cards of a page draw on all domains, each of them may fill one more place.
        allowed = max(1, -(-CONTEXTS * (place + 1) // len(sample.domains)))
        for layer, token_EN in enumerate(token_LEN):
            first_T = chunk.expert_LTK[layer, :, 0]
            for expert in np.flatnonzero(taken[layer] < allowed):
                while (at := taken[layer, expert]) < allowed:
                    row = _find(token_T, first_T == expert, token_EN[expert], skip=at)
                    if row is None:
                        break
                    text[layer, expert, at] = _texts(chunk, row, strings, spelling)
                    domain[layer, expert, at] = place
                    taken[layer, expert] += 1
    return {"text": text, "domain": domain}


def _find(token_T: np.ndarray, read_T: np.ndarray, token_N: np.ndarray, *, skip: int) -> int | None:
    """The row of the first of a card's tokens, from the one after ``skip`` others on, that its expert read here."""
    for token in token_N[skip:]:
        if token == NOWHERE:
            return None
        rows = np.flatnonzero(read_T & (token_T == token))
        if len(rows):
            return int(rows[len(rows) // 2])
    return None


def _texts(chunk: Any, row: int, strings: Strings, spelling: Spelling) -> list[int]:
    document = int(np.searchsorted(chunk.start_S1, row, side="right")) - 1
    start, end = int(chunk.start_S1[document]), int(chunk.start_S1[document + 1])
    before = spelling.around(chunk.token_T[max(start, row - NEIGHBOURS) : row].tolist())
    after = spelling.around(chunk.token_T[row + 1 : min(end, row + 1 + NEIGHBOURS)].tolist())
    token = spelling.alone(int(chunk.token_T[row]))
    return [strings.place(before[-SIDE:]), strings.place(token), strings.place(after[:SIDE])]


def commonest_tokens(counts: TokenCounts) -> dict[str, Any]:
    """The commonest ids [X], how often each occurs, and by which expert it is read [L, X, E]."""
    token_X = counts.token_X(0)
    most = np.lexsort((counts.id_X, -token_X))[:COMMONEST]
    return {
        "token": counts.id_X[most],
        "n": np.rint(token_X[most]).astype(np.int64),
        "count": counts.count_LXE[:, most],
        "choice": counts.choice,
    }


def spell_places(token: np.ndarray, strings: Strings, spelling: Spelling) -> np.ndarray:
    """The places of the texts of token ids, NOWHERE where there is none."""
    flat = [NOWHERE if each == NOWHERE else strings.place(spelling.alone(each)) for each in token.ravel().tolist()]
    return np.array(flat, np.int64).reshape(token.shape)
