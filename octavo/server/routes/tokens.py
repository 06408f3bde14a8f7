"""/tokenize, /detokenize and /tokenizer_info: the tokenizer over HTTP, in vLLM's words."""

import json
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from octavo.errors import RequestError
from octavo.server.backend.service import ServiceFacts
from octavo.server.routes.answering import Serving
from octavo.server.routes.chat import read_messages
from octavo.server.routes.front import SHORT, aside
from octavo.server.routes.replying import documented, json_response
from octavo.server.routes.schema.bounds import FieldError, check_bounds
from octavo.server.routes.schema.replies import Detokenized, Tokenized, TokenizerInfo
from octavo.server.routes.schema.tokens import DetokenizeRequest, TokenizeRequest
from octavo.server.routes.tools import as_offered
from octavo.tokenizer import Tokenizer


def token_routes(serving: Serving) -> APIRouter:
    """The three routes."""
    router = APIRouter()

    @router.post("/tokenize", **documented(Tokenized, "token ids"))
    async def tokenize(body: TokenizeRequest) -> Response:
        """Gives the token ids of a text or of a conversation."""
        facts = serving.ready()
        serving.named(body.model)
        check_bounds(body, serving.settings.limits)
        ids = await _ids(serving, facts, body)
        drafter = serving.front.drafter(facts)
        spelled = [drafter.spell(token_id) or "" for token_id in ids] if body.return_token_strs else None
        found = {"count": len(ids), "max_model_len": facts.max_model_len, "tokens": ids, "token_strs": spelled}
        return json_response(found)

    @router.post("/detokenize", **documented(Detokenized, "the text"))
    async def detokenize(body: DetokenizeRequest) -> Response:
        """Gives the text of token ids."""
        facts = serving.ready()
        serving.named(body.model)
        tokenizer, size = _tokenizer(serving), facts.config.vocab_size
        for token_id in body.tokens:
            if not 0 <= token_id < size:
                raise FieldError(f"tokens holds {token_id:.4g}: want 0 to {size - 1}, the model's vocabulary", "tokens")
        text = await aside(lambda: tokenizer.decode(body.tokens, skip_special_tokens=False), len(body.tokens) > SHORT)
        return json_response({"prompt": text})

    @router.get("/tokenizer_info", **documented(TokenizerInfo, "the tokenizer's configuration"))
    async def tokenizer_info() -> Response:
        """Gives tokenizer_config.json as it stands, with the named special tokens as texts."""
        return json_response(await aside(lambda: describe_tokenizer(_tokenizer(serving)), True))

    return router


async def _ids(serving: Serving, facts: ServiceFacts, body: TokenizeRequest) -> list[int]:
    if (body.prompt is None) == (body.messages is None):
        raise RequestError("one of prompt and messages is wanted: give a text or a conversation")
    if body.prompt is not None:
        special = body.add_special_tokens is not False
        return list((await serving.front.read_text(body.prompt, facts, special=special)).token_ids)
    assert body.messages is not None
    prompt = await serving.front.read_messages(
        read_messages(body.messages),
        facts,
        add_generation_prompt=body.add_generation_prompt is not False,
        tools=[as_offered(tool) for tool in body.tools or ()] or None,
    )
    return list(prompt.token_ids)


def _tokenizer(serving: Serving) -> Tokenizer:
    if serving.front.tokenizer is None:
        raise RequestError("this model has no tokenizer: it takes and gives token ids only")
    return serving.front.tokenizer


def describe_tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """tokenizer_config.json where there is one, and the tokens that begin and end a text by their names."""
    path = tokenizer.path.parent / "tokenizer_config.json"
    found: dict[str, Any] = {}
    if path.is_file():
        # Python's reader takes numbers that JSON does not have, and that could not be sent on.
        found = json.loads(path.read_bytes(), parse_constant=lambda name: None)
    spelled = tokenizer.vocabulary.tokens
    for name, token_id in (("bos_token", tokenizer.bos_id), ("eos_token", tokenizer.eos_id)):
        found[name] = None if token_id is None else spelled[token_id]
    for name in ("unk_token", "pad_token"):
        if isinstance(found.get(name), dict):
            found[name] = found[name].get("content")
    return {"tokenizer_class": type(tokenizer).__name__, **found}
