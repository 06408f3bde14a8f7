"""Scores of texts: read in windows, added up, and shown as tables, as coloured text, or as JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from octavo.api.llm import LLM
from octavo.cli.completions import new_reading, prompt_ids, spell_token, texts_of
from octavo.cli.escaping import escape_line
from octavo.cli.models import Opened
from octavo.cli.progress import count_bar
from octavo.cli.prompts import NamedText
from octavo.cli.reading import legend
from octavo.cli.screen import Screen, figures
from octavo.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One text as the model finds it: a logprob for each token, None for the first, and [T, L, K] rows of routing."""

    name: str
    num_bytes: int
    token_ids: list[int]
    texts: list[str]
    logprobs: list[float | None]
    routed_experts: np.ndarray | None
    routed_weights: np.ndarray | None

    @property
    def nats(self) -> float:
        """The surprise of the whole text."""
        return -sum(logprob for logprob in self.logprobs if logprob is not None)

    @property
    def scored(self) -> int:
        """Tokens that have a logprob."""
        return sum(logprob is not None for logprob in self.logprobs)

    @property
    def bits_per_byte(self) -> float:
        """Bits a byte of the text."""
        return self.nats / math.log(2) / self.num_bytes

    @property
    def perplexity(self) -> float:
        """The exponential of the nats a token."""
        return math.exp(min(self.nats / self.scored, 700.0))


def score_texts(llm: LLM, texts: Sequence[NamedText], *, routing: bool) -> list[Score]:
    """Scores texts one after the other; raises RequestError for one that has no token to score."""
    encoded = [prompt_ids(llm, text.text) for text in texts]
    for text, ids in zip(texts, encoded, strict=True):
        if len(ids) < 2:
            raise RequestError(
                f"{text.name} has {len(ids)} token(s): want at least 2, the second is the first to score"
            )
    if llm.max_model_len < 2:
        raise RequestError("--max-model-len is 1: want at least 2, a token to score and one before it")
    total = sum(len(windows(len(ids), llm.max_model_len)) for ids in encoded)
    with count_bar("scoring") as tell:
        found = []
        done = 0
        for text, ids in zip(texts, encoded, strict=True):
            found.append(_score(llm, text, ids, routing=routing))
            done += len(windows(len(ids), llm.max_model_len))
            tell(text.name, done, total)
    return found


def windows(length: int, context: int) -> list[tuple[int, int, int]]:
    """How a text of ``length`` tokens is read: (start, stop, first token that counts) for each window of ``context``.

    Windows overlap by half, so that a token that counts has at least half a context before it.
    """
    found = [(0, min(length, context), 0)]
    while found[-1][1] < length:
        fresh = found[-1][1]
        stop = min(length, fresh + max(1, context // 2))
        found.append((max(0, stop - context), stop, fresh))
    return found


def _score(llm: LLM, text: NamedText, ids: list[int], *, routing: bool) -> Score:
    logprobs: list[float | None] = []
    experts: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for start, stop, fresh in windows(len(ids), llm.max_model_len):
        result = llm.score({"prompt_token_ids": ids[start:stop]}, routing=routing and llm.config.is_sparse)[0]
        logprobs += result.logprobs[fresh - start :]
        if result.routed_experts is not None and result.routed_weights is not None:
            experts.append(result.routed_experts[fresh - start :])
            weights.append(result.routed_weights[fresh - start :])
    return Score(
        name=text.name,
        num_bytes=len(text.text.encode()),
        token_ids=ids,
        texts=texts_of(llm, ids),
        logprobs=logprobs,
        routed_experts=np.concatenate(experts) if experts else None,
        routed_weights=np.concatenate(weights) if weights else None,
    )


def show(llm: LLM, found: Sequence[Score], *, screen: Screen, layer: int | None, tokens: bool) -> None:
    """Writes texts coloured by the experts of ``layer``, tokens if they are wanted, and a line for each text."""
    for score in found:
        if layer is not None and score.routed_experts is not None:
            reading = new_reading(llm, screen, score.token_ids, layer=layer)
            reading.add(score.texts)
            reading.read(score.routed_experts)
            reading.close()
            screen.write("\n" + legend(reading.ink, reading.count_LE[layer], layer=layer) + "\n")
        if tokens:
            screen.show(token_table(score), "")
    table = figures("text", "bytes", "tokens", "bits a byte", "nats a token", "perplexity")
    for score in found:
        numbers = (f"{score.bits_per_byte:.4f}", f"{score.nats / score.scored:.4f}", _shown(score.perplexity))
        table.add_row(escape_line(score.name), f"{score.num_bytes:,}", f"{len(score.token_ids):,}", *numbers)
    screen.show(table)


def token_table(score: Score) -> Table:
    """One row a token: where it stands, its id, its text, its logprob and its probability."""
    table = figures("", "id", "logprob", "probability", "token")
    table.columns[-1].justify = "left"
    rows = zip(score.token_ids, score.logprobs, score.texts, strict=True)
    for place, (token, logprob, text) in enumerate(rows):
        numbers = ("–", "–") if logprob is None else (f"{logprob:.4f}", f"{math.exp(logprob):.2%}")
        table.add_row(str(place), str(token), *numbers, spell_token(text))
    return table


def _shown(perplexity: float) -> str:
    return f"{perplexity:,.2f}" if perplexity < 1e6 else f"{perplexity:.2e}"


def document(opened: Opened, found: Sequence[Score]) -> dict[str, Any]:
    """Everything as one document for programs."""
    results = [
        {
            "name": score.name,
            "bytes": score.num_bytes,
            "bits_per_byte": score.bits_per_byte,
            "nats_per_token": score.nats / score.scored,
            "perplexity": score.perplexity,
            "token_ids": score.token_ids,
            "tokens": score.texts,
            "logprobs": score.logprobs,
            "routed_experts": score.routed_experts,
            "routed_weights": score.routed_weights,
        }
        for score in found
    ]
    return {"model": opened.name, "results": results}
