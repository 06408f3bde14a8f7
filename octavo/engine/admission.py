"""What a request must keep to before it may enter: every number is held against the model's and the engine's own."""

from dataclasses import dataclass

from octavo.config import ModelConfig
from octavo.engine.request import Request
from octavo.engine.scheduler import pages_needed
from octavo.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What an engine holds a request against; ``num_pages`` are those that can be handed out."""

    config: ModelConfig
    max_model_len: int
    max_logprobs: int
    page_size: int
    num_pages: int


def check_request(request: Request, bounds: Bounds) -> None:
    """Raises RequestError, in one line, for a request that cannot be served as asked."""
    config, max_logprobs = bounds.config, bounds.max_logprobs
    _check_ids(request, config.vocab_size)
    _check_length(request, bounds)
    params = request.params
    if params.routing and not config.is_sparse:
        raise RequestError("routing is True but this model is dense and has no router: set routing=False")
    for name in ("logprobs", "prompt_logprobs"):
        wanted = getattr(params, name)
        if wanted is not None and max_logprobs >= 0 and not 0 <= wanted <= max_logprobs:
            raise RequestError(
                f"{name} is {wanted}: want at most {max_logprobs}, or raise max_logprobs, its bound (-1 is none)"
            )


def _check_length(request: Request, bounds: Bounds) -> None:
    params = request.params
    length, longest = len(request.prompt_token_ids), bounds.max_model_len
    most = longest if params.max_tokens == 0 else longest - 1
    if length > most:
        raise RequestError(
            f"the prompt is {length} tokens long: want at most {most}, since the model's length is {longest}; "
            "shorten it or raise max_model_len"
        )
    most = longest if params.max_tokens is None else min(longest, length + params.max_tokens)
    # Nobody reads the last token that is chosen, so it needs no place.
    size = bounds.page_size
    needed = pages_needed(max(length, most - 1), page_size=size, window=bounds.config.sliding_window)
    if needed > bounds.num_pages:
        raise RequestError(
            f"the request may need {needed * size} positions of the cache ({length} of them for its prompt), "
            f"which has {bounds.num_pages * size}: lower max_tokens, or give the cache more memory"
        )


def _check_ids(request: Request, vocab_size: int) -> None:
    prompt = request.prompt_token_ids
    if not prompt:
        raise RequestError("the prompt has no tokens: want at least one")
    if {type(token) for token in prompt} != {int}:
        found = next(token for token in prompt if type(token) is not int)
        raise RequestError(f"the prompt holds {found!r:.80}: want token ids, which are whole numbers")
    params = request.params
    for where, ids in (
        ("the prompt", (min(prompt), max(prompt))),
        ("stop_token_ids", params.stop_token_ids or ()),
        ("logit_bias", params.logit_bias or ()),
        ("eos_token_ids", request.eos_token_ids),
    ):
        for token in ids:
            if not 0 <= token < vocab_size:
                raise RequestError(
                    f"{where} holds token id {token}: want 0 to {vocab_size - 1}, the model's vocabulary"
                )
