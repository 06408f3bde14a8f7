"""Completions on the screen and as JSON: streamed where there is one text, one after the other where there are more."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.style import Style
from rich.table import Table

from octavo.api.llm import LLM
from octavo.api.outputs import CompletionDelta, RequestOutput, TokenLogprobs
from octavo.cli.escaping import escape, escape_line
from octavo.cli.models import Opened
from octavo.cli.palette import choose_ink
from octavo.cli.progress import spinner
from octavo.cli.reading import Reading, legend
from octavo.cli.screen import Screen
from octavo.engine.params import SamplingParams
from octavo.errors import RequestError
from octavo.tokenizer import Tokenizer

HEADING = Style(bold=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown beside the text: the prompt, the experts of a layer, and a table of logprobs.

    With ``experts`` the prompt is shown too, unless ``prompt`` is False; without, only with ``echo``.
    """

    echo: bool = False
    experts: int | None = None
    prompt: bool = True
    logprobs: bool = False


def write(opened: Opened, prompts: Sequence[str], params: SamplingParams, *, screen: Screen, shown: Shown) -> None:
    """Completes the prompts and writes the texts; with several of them, a line says which is which."""
    llm = opened.llm
    if len(prompts) == 1 and params.n == 1:
        ids = prompt_ids(llm, prompts[0])
        write_stream(llm, ids, llm.stream({"prompt_token_ids": ids}, params), screen=screen, shown=shown)
        return
    with spinner("generating"):
        results = llm.generate(prompts, params)
    for number, result in enumerate(results, start=1):
        for output in result.outputs:
            of = f", output {output.index + 1} of {params.n}" if params.n > 1 else ""
            screen.write(screen.paint(f"── prompt {number} of {len(prompts)}{of} ──", HEADING) + "\n")
            delta = whole(result, output.index)
            write_stream(llm, result.prompt_token_ids, [delta], screen=screen, shown=shown)
            screen.write("\n")


def write_stream(
    llm: LLM, ids: Sequence[int], deltas: Iterable[CompletionDelta], *, screen: Screen, shown: Shown
) -> str:
    """Writes one completion of the prompt ``ids`` as its deltas come; returns its text."""
    logprobs: list[TokenLogprobs] = []
    text = ""
    if shown.experts is not None:
        reading = new_reading(llm, screen, ids, layer=shown.experts)
        if shown.prompt:
            reading.add(texts_of(llm, ids), prompt=True)
        for delta in deltas:
            text += delta.text
            logprobs += delta.logprobs
            reading.take(delta, prompt=shown.prompt)
        reading.close()
        screen.write("\n" + legend(reading.ink, reading.count_LE[shown.experts], layer=shown.experts))
    else:
        if shown.echo:
            screen.write(escape("".join(texts_of(llm, ids))))
        for delta in deltas:
            # An answer stands by itself: the space that sets it off from the question is not shown.
            shows = delta.text if shown.prompt or text.strip() else delta.text.lstrip()
            text += delta.text
            logprobs += delta.logprobs
            screen.write(escape(shows))
        screen.write("\n")
    if shown.logprobs:
        screen.show("", logprob_table(logprobs))
    return text


def new_reading(llm: LLM, screen: Screen, ids: Sequence[int], *, layer: int) -> Reading:
    """A reading of what this model makes of the prompt ``ids``, coloured by the experts of ``layer``."""
    tokenizer = tokenizer_of(llm)
    return Reading(
        choose_ink(screen, llm.config.num_experts),
        layer=layer,
        num_layers=llm.config.num_layers,
        decoder=tokenizer.stream(starts_text=tokenizer.special_ids.issuperset(ids)),
    )


def whole(result: RequestOutput, index: int) -> CompletionDelta:
    """A finished output as one delta, so that it is shown by the code that shows streams."""
    output = result.outputs[index]
    return CompletionDelta(
        request_id=result.request_id,
        index=index,
        text=output.text,
        token_ids=output.token_ids,
        logprobs=output.logprobs or [],
        finish_reason=output.finish_reason,
        stop_reason=output.stop_reason,
        prompt_logprobs=result.prompt_logprobs or [],
        routed_experts=output.routed_experts,
        prompt_routed_experts=result.prompt_routed_experts,
    )


def tokenizer_of(llm: LLM) -> Tokenizer:
    """The model's tokenizer; raises RequestError where it has none."""
    if llm.tokenizer is None:
        raise RequestError("the model's folder has no tokenizer, so it reads no text: give one with --tokenizer FOLDER")
    return llm.tokenizer


def prompt_ids(llm: LLM, prompt: str) -> list[int]:
    """The token ids of a text."""
    return tokenizer_of(llm).encode(prompt)


def texts_of(llm: LLM, ids: Sequence[int]) -> list[str]:
    """The text of each token, control tokens spelled out."""
    return list(tokenizer_of(llm).texts_by_token(ids))


def logprob_table(logprobs: Sequence[TokenLogprobs]) -> Table:
    """One row a token: its log probability, its rank, and the likeliest tokens in its place."""
    table = Table("token", "logprob", "rank", "likeliest", box=None, pad_edge=False, header_style="bold")
    table.columns[1].justify = table.columns[2].justify = "right"
    for candidates in logprobs:
        (_, chosen), *_ = candidates.items()
        best = sorted(candidates.values(), key=lambda each: each.rank)
        shown = "  ".join(
            f"{spell_token(each.decoded_token)} {each.logprob:.2f}" for each in best if each is not chosen
        )
        table.add_row(spell_token(chosen.decoded_token), f"{chosen.logprob:.3f}", str(chosen.rank), shown)
    return table


def spell_token(text: str | None) -> str:
    """A token's text in one line, in quotes, so that its spaces can be seen."""
    return "?" if text is None else f"'{escape_line(text)}'"


def document(opened: Opened, prompts: Sequence[str], params: SamplingParams) -> dict[str, Any]:
    """Completes the prompts and returns everything that is known of them, with the time it took."""
    sparse = opened.llm.config.is_sparse
    everything = replace(params, routing=sparse, logprobs=params.logprobs or 0, prompt_logprobs=params.logprobs or 0)
    began = time.perf_counter()
    tokenizer_of(opened.llm)
    with spinner("generating"):
        results = opened.llm.generate(list(prompts), everything)
    seconds = time.perf_counter() - began
    generated = sum(len(output.token_ids) for result in results for output in result.outputs)
    return {
        "model": opened.name,
        "results": results,
        "timing": {
            "load_seconds": opened.load_seconds,
            "generate_seconds": seconds,
            "prompt_tokens": sum(len(result.prompt_token_ids) for result in results),
            "generated_tokens": generated,
            "generated_tokens_per_second": generated / seconds if seconds else 0.0,
        },
    }
