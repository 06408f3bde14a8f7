"""Spelling: tokens as an answer shows them, their logprobs in the two forms of OpenAI's API.

completions    tokens, token_logprobs, top_logprobs, text_offset: four lists of one length
chats          content: a list of objects with token, logprob, bytes, top_logprobs
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from octavo.api.outputs import Logprob, TokenLogprobs
from octavo.tokenizer import Tokenizer

# JSON has no infinity; so far down, nobody reads the number.
LOWEST = -9999.0


class Speller:
    """Spells the tokens of one text in order; only the first differs from what it would be elsewhere.

    ``starts_text`` says that no space stands before the first; ``skip`` that control tokens are no part of the text.
    Without a tokenizer a token has no text.
    """

    def __init__(self, tokenizer: Tokenizer | None, *, starts_text: bool, skip: bool, offset: int = 0) -> None:
        self._tokenizer = tokenizer
        self._skip: frozenset[int] = tokenizer.special_ids if tokenizer is not None and skip else frozenset()
        self._strip = starts_text and tokenizer is not None and tokenizer.vocabulary.leading_space
        self._decoder = None
        if tokenizer is not None:
            self._decoder = tokenizer.stream(skip_special_tokens=skip, starts_text=starts_text)
        self.offset = offset

    def token(self, token_id: int) -> str:
        """A token's text where it stands next: control tokens by their names, pieces of a character as U+FFFD."""
        if self._tokenizer is None or token_id >= self._tokenizer.vocab_size:
            return ""
        if token_id in self._tokenizer.special_ids:
            return self._tokenizer.vocabulary.tokens[token_id]
        return self._piece(token_id).decode(errors="replace")

    def name(self, token_id: int, found: Logprob) -> str:
        """A token's name in logprobs: its text, or where that is no whole character the tokenizer's own name."""
        name = found.decoded_token or ""
        return name[1:] if self._strip and name.startswith(" ") else name

    def bytes_of(self, token_id: int) -> list[int] | None:
        """The bytes that a token adds to the text where it stands next; None for one that is no text."""
        if self._tokenizer is None or token_id >= self._tokenizer.vocab_size or token_id in self._skip:
            return None
        return list(self._piece(token_id))

    def go_on(self, token_id: int) -> None:
        """Says that this token stands next."""
        if self._decoder is not None and token_id >= 0:
            self.offset += len(self._decoder.push(token_id))
        if token_id not in self._skip:
            self._strip = False

    def _piece(self, token_id: int) -> bytes:
        assert self._tokenizer is not None
        piece = self._tokenizer.vocabulary.pieces[token_id]
        return piece[1:] if self._strip and piece.startswith(b" ") else piece


class CompletionLogprobs:
    """Logprobs as completions have them, of one choice; what a stream has told is not told again."""

    def __init__(self, speller: Speller, top: int) -> None:
        self._speller = speller
        self._top = top

    def write(self, ids: Sequence[int], found: Sequence[TokenLogprobs | None]) -> dict[str, Any]:
        """The next tokens; the first token of a prompt has no logprob, and its entries are null."""
        told: dict[str, Any] = {"text_offset": [], "token_logprobs": [], "tokens": [], "top_logprobs": []}
        speller = self._speller
        for token_id, named in zip(ids, found, strict=True):
            told["text_offset"].append(speller.offset)
            if named is None:
                told["tokens"].append(speller.token(token_id))
                told["token_logprobs"].append(None)
                told["top_logprobs"].append(None)
            else:
                told["tokens"].append(speller.name(token_id, named[token_id]))
                told["token_logprobs"].append(finite(named[token_id].logprob))
                told["top_logprobs"].append(self._best(named))
            speller.go_on(token_id)
        return told

    def _best(self, named: TokenLogprobs) -> dict[str, float]:
        best: dict[str, float] = {}
        for token_id, found in named.items():
            name = self._speller.name(token_id, found)
            # Several tokens may have one name: the likeliest of them keeps it.
            best[name] = max(finite(found.logprob), best.get(name, LOWEST))
        return best


class ChatLogprobs:
    """Logprobs as chats have them, of one choice."""

    def __init__(self, speller: Speller, top: int) -> None:
        self._speller = speller
        self._top = top

    def write(self, ids: Sequence[int], found: Sequence[TokenLogprobs]) -> dict[str, Any]:
        """The next tokens."""
        content = []
        for token_id, named in zip(ids, found, strict=True):
            best = sorted(named.items(), key=lambda pair: pair[1].rank)[: self._top]
            content.append(
                {
                    **self._entry(token_id, named[token_id]),
                    "top_logprobs": [self._entry(each, entry) for each, entry in best],
                }
            )
            self._speller.go_on(token_id)
        return {"content": content, "refusal": None}

    def _entry(self, token_id: int, found: Logprob) -> dict[str, Any]:
        return {
            "token": self._speller.name(token_id, found),
            "logprob": finite(found.logprob),
            "bytes": self._speller.bytes_of(token_id),
        }


def prompt_logprobs(found: Sequence[TokenLogprobs | None]) -> list[dict[str, Any] | None]:
    """Logprobs of a prompt in vLLM's form: an object by token id for each token, null for the first."""
    return [
        None
        if named is None
        else {
            str(token_id): {
                "logprob": finite(each.logprob), "rank": each.rank, "decoded_token": each.decoded_token
            }
            for token_id, each in named.items()
        }
        for named in found
    ]  # fmt: skip


def routed(prefix: str, arrays: Mapping[str, np.ndarray | None]) -> dict[str, np.ndarray]:
    """Arrays of routing under their names; they become nested lists when they are sent."""
    return {f"{prefix}{name}": array for name, array in arrays.items() if array is not None}


def finite(logprob: float) -> float:
    """A logprob that JSON can hold."""
    return max(logprob, LOWEST)
