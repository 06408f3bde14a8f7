"""What a request must keep to before it may enter: every number is held against the model's and the engine's own."""

from octavo.config import ModelConfig
from octavo.engine.request import Request
from octavo.errors import RequestError


def check_request(request: Request, config: ModelConfig, *, taken: bool, max_logprobs: int, max_model_len: int) -> None:
    """Raises RequestError for a request that this model cannot serve; ``taken`` says that its name is in use."""
    if taken:
        raise RequestError(f"request_id {request.request_id!r} is in use: want one of its own for each request")
    _check_ids(request, config.vocab_size)
    params = request.params
    length = len(request.prompt_token_ids)
    most = max_model_len if params.max_tokens == 0 else max_model_len - 1
    if length > most:
        raise RequestError(
            f"the prompt is {length} tokens long: want at most {most}, since the model's length is {max_model_len}; "
            "shorten it or raise max_model_len"
        )
    if params.routing and not config.is_sparse:
        raise RequestError("routing is True but this model is dense and has no router: set routing=False")
    for name in ("logprobs", "prompt_logprobs"):
        wanted = getattr(params, name)
        if wanted is not None and max_logprobs >= 0 and not 0 <= wanted <= max_logprobs:
            raise RequestError(
                f"{name} is {wanted}: want at most {max_logprobs}, or raise max_logprobs, its bound (-1 is none)"
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
