"""Asking: what a request says, in the engine's words: sampling parameters, and the grammar of the text."""

import json
import re
from collections.abc import Sequence
from typing import Any

from octavo.api.drafts import RequestDraft
from octavo.engine.params import SamplingParams
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.service import ServiceFacts
from octavo.server.limits import Limits
from octavo.server.routes.schema.bounds import FieldError, check_bounds, read_bias
from octavo.server.routes.schema.sampling import SamplingFields
from octavo.server.routes.schema.strict import shown

# Request fields that are the engine's own, each with its default there.
SAME = (
    "n",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "stop",
    "stop_token_ids",
    "seed",
    "min_tokens",
    "ignore_eos",
    "skip_special_tokens",
    "include_stop_str_in_output",
)
DEFAULTS = SamplingParams()


def read_params(
    fields: SamplingFields,
    limits: Limits,
    *,
    max_tokens: int | None,
    logprobs: int | None,
    prompt_logprobs: int | None,
    detokenize: bool = True,
) -> SamplingParams:
    """The sampling parameters of a request whose own fields say the rest; raises RequestError past a bound."""
    check_bounds(fields, limits)
    if fields.router_logits and not fields.wants_routing:
        raise FieldError("router_logits is true but routing is not: set routing to true as well", "router_logits")
    if fields.stream_options is not None and not fields.stream:
        raise FieldError("stream_options is set but stream is not true: leave it out, or stream", "stream_options")
    same: dict[str, Any] = {name: value for name in SAME if (value := getattr(fields, name)) is not None}
    return SamplingParams(
        **same,
        logit_bias=read_bias(fields.logit_bias),
        max_tokens=max_tokens,
        logprobs=logprobs,
        prompt_logprobs=prompt_logprobs,
        detokenize=detokenize,
        routing=fields.wants_routing,
        router_logits=bool(fields.router_logits),
    )


def check_reported(drafts: Sequence[RequestDraft], facts: ServiceFacts, limits: Limits, *, echo: bool = False) -> None:
    """Raises FieldError where an answer could hold more logprobs and routings of single tokens than ``limits`` allow.

    A small request for them may make a large answer: n outputs, each with its prompt, each token with its best ones.
    """
    config, count = facts.config, 0
    for draft in drafts:
        params, length = draft.request.params, len(draft.request.prompt_token_ids)
        longest = facts.max_model_len - length
        outputs = params.n * (longest if params.max_tokens is None else min(longest, params.max_tokens))
        routing = 2 * config.num_experts_per_tok + (config.num_experts if params.router_logits else 0)
        routings = config.num_layers * routing if params.routing else 0
        own = 0 if params.logprobs is None else params.logprobs + 1
        prompts = 0 if params.prompt_logprobs is None else params.prompt_logprobs + 1
        count += (outputs + length) * routings + outputs * own + length * prompts * (params.n if echo else 1)
    if count > limits.max_reported:
        raise FieldError(
            f"the answer may hold {count} logprobs and routings: want at most {limits.max_reported} (max_reported); "
            "ask for fewer tokens, outputs or prompts, or for less about each",
            "max_tokens",
        )


def read_grammar(fields: SamplingFields, limits: Limits) -> GrammarSpec | None:
    """The form that the text must have, by whichever field says it; raises FieldError for two of them, and for one
    longer than ``max_grammar_bytes``."""
    found = [*_response_format(fields), *_structured(fields), *_guided(fields)]
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise FieldError(f"the form of the text is given {len(found)} times ({names}): want one of them", found[1][0])
    ((name, grammar),) = found
    size = len(grammar.source.encode())
    if size > limits.max_grammar_bytes:
        most = limits.max_grammar_bytes
        raise FieldError(f"{name} has {size} bytes: want at most {most} (max_grammar_bytes)", name)
    return grammar


def _response_format(fields: SamplingFields) -> list[tuple[str, GrammarSpec]]:
    form = fields.response_format
    if form is None or form.type == "text":
        return []
    if form.type == "json_object":
        return [("response_format", GrammarSpec(kind="json_object"))]
    if form.type == "regex":
        if form.pattern is None:
            raise FieldError("response_format is a regex without pattern: give one", "response_format.pattern")
        return [("response_format.pattern", GrammarSpec(kind="regex", source=form.pattern))]
    if form.json_schema is None or form.json_schema.schema_ is None:
        raise FieldError("response_format is a json_schema without schema: give one", "response_format.json_schema")
    return [("response_format.json_schema", _of_schema(form.json_schema.schema_, "response_format.json_schema"))]


def _structured(fields: SamplingFields) -> list[tuple[str, GrammarSpec]]:
    wanted = fields.structured_outputs
    if wanted is None:
        return []
    found = []
    if wanted.json_ is not None:
        found.append(("structured_outputs.json", _of_schema(wanted.json_, "structured_outputs.json")))
    if wanted.regex is not None:
        found.append(("structured_outputs.regex", GrammarSpec(kind="regex", source=wanted.regex)))
    if wanted.choice is not None:
        found.append(("structured_outputs.choice", _of_choice(wanted.choice, "structured_outputs.choice")))
    if wanted.json_object:
        found.append(("structured_outputs.json_object", GrammarSpec(kind="json_object")))
    if not found:
        raise FieldError("structured_outputs is empty: want json, regex, choice or json_object", "structured_outputs")
    return found


def _guided(fields: SamplingFields) -> list[tuple[str, GrammarSpec]]:
    found = []
    if fields.guided_json is not None:
        found.append(("guided_json", _of_schema(fields.guided_json, "guided_json")))
    if fields.guided_regex is not None:
        found.append(("guided_regex", GrammarSpec(kind="regex", source=fields.guided_regex)))
    if fields.guided_choice is not None:
        found.append(("guided_choice", _of_choice(fields.guided_choice, "guided_choice")))
    return found


def _of_schema(schema: object, name: str) -> GrammarSpec:
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError):
            raise FieldError(f"{name} is {shown(schema)}: want a JSON schema", name) from None
    if not isinstance(schema, dict | bool):
        raise FieldError(f"{name} is {shown(schema)}: want a JSON schema, an object", name)
    # The order of the fields stays: it is the order in which they are written.
    return GrammarSpec(kind="json_schema", source=json.dumps(schema, ensure_ascii=False))


def _of_choice(choices: list[str], name: str) -> GrammarSpec:
    if not choices or not all(choices):
        raise FieldError(f"{name} has nothing to choose from, or an empty text: want texts", name)
    return GrammarSpec(kind="regex", source="|".join(map(re.escape, choices)))
