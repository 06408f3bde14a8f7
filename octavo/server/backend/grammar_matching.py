"""From a grammar to the tokens that it allows: llguidance with the model's own tokens.

A token is allowed where its bytes continue a text that the grammar can still complete; the end-of-text tokens where the
text is complete. Every resource that a grammar can use is bounded, here by ``LIMITS``, in whoever compiles by time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llguidance
import numpy as np

from octavo.errors import OctavoError, RequestError
from octavo.server.backend.grammar import GrammarSpec
from octavo.tokenizer import Tokenizer

# What compiling and one step may use; 1,000 of lexer fuel are about 0.07 ms, 1,000 items 0.05 ms.
LIMITS = llguidance.LLParserLimits(
    initial_lexer_fuel=1_000_000,
    step_lexer_fuel=100_000,
    step_max_items=20_000,
    max_items_in_row=2_000,
    max_lexer_states=10_000,
    max_grammar_size=200_000,
    verbose_errors=False,
)
# Between the parts of a JSON text. Without a bound a small model writes blanks for ever.
WHITE_SPACE = "[ \\n]{0,16}"
LONGEST_REASON = 200
TOKENS_TRIED = 4
# A sign that no text has, before the name of a token that is none.
SPECIAL = b"\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The tokens of a model: the bytes of each of V, those that no text may hold, and those that end one."""

    pieces: tuple[bytes, ...]
    control_ids: frozenset[int]
    eos_ids: tuple[int, ...]
    bos_id: int | None

    @classmethod
    def of(cls, tokenizer: Tokenizer, eos_ids: Sequence[int], *, vocab_size: int) -> "Pieces":
        """Those of a tokenizer, for a model whose logits may be wider or narrower than it."""
        vocabulary = tokenizer.vocabulary
        pieces = vocabulary.pieces[:vocab_size]
        return cls(
            pieces=(*pieces, *[b""] * (vocab_size - len(pieces))),
            control_ids=frozenset(token for token in vocabulary.control_ids if token < vocab_size),
            eos_ids=tuple(sorted(eos_ids)),
            bos_id=vocabulary.bos_id,
        )


class _Wrapped:
    """Pieces in the form that llguidance reads; ``encode`` splits a text that the grammar forces."""

    def __init__(self, pieces: Pieces, encode: Callable[[bytes], list[int]]) -> None:
        special = {*pieces.control_ids, *pieces.eos_ids}
        self.tokens = [
            SPECIAL + f"[{token}]".encode() if token in special or not piece else piece
            for token, piece in enumerate(pieces.pieces)
        ]
        # It must be told of an end, though a model may have none: then it is a token that the mask leaves out.
        self.tokens.append(SPECIAL + b"[end]")
        self.eos_token_id = len(self.tokens) - 1
        self.bos_token_id = pieces.bos_id
        self.special_token_ids = [token for token, piece in enumerate(self.tokens) if piece.startswith(SPECIAL)]
        self._encode = encode

    def __call__(self, text: bytes) -> list[int]:
        return self._encode(text)


class Matchers:
    """Compiles grammars over one model's tokens; safe to use from several threads."""

    def __init__(self, pieces: Pieces, tokenizer: Tokenizer | None = None) -> None:
        self._pieces = pieces
        self._tokenizer = tokenizer
        self._ready = False
        wrapped = _Wrapped(pieces, self._encode)
        self._tokens = llguidance.LLTokenizer(
            llguidance.TokenizerWrapper(wrapped), eos_token=[wrapped.eos_token_id, *pieces.eos_ids]
        )
        self._ready = True

    def compile(self, spec: GrammarSpec) -> "Grammar":
        """The grammar at its beginning; raises RequestError, in one line, for one that cannot be used."""
        try:
            matcher = llguidance.LLMatcher(self._tokens, _source(spec), limits=LIMITS, log_level=0)
            tried = _tried(matcher)
        except (ValueError, RecursionError) as error:
            raise _refused(spec, str(error)) from None
        if tried.is_error():
            raise _refused(spec, tried.get_error())
        return Grammar(matcher, self._pieces)

    def _encode(self, text: bytes) -> list[int]:
        """The tokens of a text in the midst of another, as the model would write them where that can be known."""
        if not self._ready:
            return []
        if self._tokenizer is not None:
            with_context = b"\n" + text
            try:
                ids = self._tokenizer.encode(with_context.decode(), add_bos=False)
            except (UnicodeDecodeError, OctavoError):
                ids = []
            seen = b""
            for place, token in enumerate(ids, start=1):
                seen += self._pieces.pieces[token]
                if seen in (b"\n", b" \n"):
                    return ids[place:]
        return list(self._tokens.greedy_tokenize(text.decode("utf-8", "replace")))


class Grammar:
    """A grammar and how far one output has come in it: a Constraint."""

    def __init__(self, matcher: llguidance.LLMatcher, pieces: Pieces) -> None:
        self._matcher = matcher
        self._pieces = pieces
        self._num_tokens = len(pieces.pieces)
        self._eos_ids = frozenset(pieces.eos_ids)
        self._ended = False

    def fresh(self) -> "Grammar":
        """Another one, at the beginning."""
        matcher = self._matcher.deep_copy()
        matcher.reset()
        return Grammar(matcher, self._pieces)

    def allowed(self) -> np.ndarray:
        """Which tokens may come next, none after the end; raises OctavoError where the grammar cannot be followed."""
        if self._ended:
            return np.zeros(self._num_tokens, np.bool_)
        words = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        found = np.unpackbits(words, bitorder="little")[: self._num_tokens].view(np.bool_)
        if not found.any() and not self._matcher.is_stopped():
            raise OctavoError("the grammar cannot be followed: no token of the model continues the text")
        return found

    def accept(self, token_id: int) -> None:
        """Takes in the next token; raises OctavoError for one that was not allowed."""
        self._matcher.consume_token(token_id)
        self._check()
        self._ended = token_id in self._eos_ids

    def _check(self) -> None:
        if self._matcher.is_error():
            raise OctavoError(f"the grammar cannot be followed: {_in_one_line(self._matcher.get_error())}")


def _tried(matcher: llguidance.LLMatcher) -> llguidance.LLMatcher:
    """A copy after a few tokens: much that is too large to follow shows only when it is followed."""
    tried = matcher.deep_copy()
    for _ in range(TOKENS_TRIED):
        words = b"" if tried.is_error() else tried.compute_bitmask()
        allowed = np.flatnonzero(np.unpackbits(np.frombuffer(words, np.uint8), bitorder="little"))
        if tried.is_error() or tried.is_stopped() or not len(allowed):
            break
        tried.consume_token(int(allowed[0]))
    return tried


def _source(spec: GrammarSpec) -> str:
    if spec.kind == "regex":
        return str(llguidance.LLMatcher.grammar_from_regex(spec.source))
    schema = spec.source if spec.kind == "json_schema" else '{"type": "object"}'
    # True is the schema that everything fits.
    schema = "{}" if schema.strip() == "true" else schema
    return str(llguidance.LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_pattern": WHITE_SPACE}))


def _refused(spec: GrammarSpec, reason: str) -> RequestError:
    what = "the regular expression" if spec.kind == "regex" else "the JSON schema"
    return RequestError(f"{what} cannot be used: {_in_one_line(reason)}: simplify it")


def _in_one_line(reason: str) -> str:
    """The part of a reason that a caller can use, short, without line breaks."""
    text = reason.replace("<non-verbose/>", "")
    if "regex parse error" in text:
        text = text.rpartition("error:")[2].partition("| start:")[0].partition("\n")[0]
    text = " ".join(text.split()).replace("NoExtensionBias", "no text fits it")
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 3] + "..."
