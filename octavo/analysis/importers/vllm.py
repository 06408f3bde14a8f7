"""What vLLM returns with ``--enable-return-routed-experts``, from its server's answers, its Python outputs or an array.

    0.21       prompt_routed_experts [prompt tokens, MoE layers, K] of an answer, routed_experts [output tokens, ...] of
               each choice, as nested lists; a row of -1 is a token whose prefix was cached
    from 0.22  routed_experts [tokens − 1, MoE layers, K] of each choice, prompt included, as base64 of an .npy file

(docs.vllm.ai, "Routed Experts Replay" and "Routed Experts Return".) Octavo's own ``RequestOutput`` has the same fields,
and weights beside them, so it is read too. The order of a token's experts is known only where there are weights: the
kernels that choose may return the chosen in any order.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from octavo.analysis.importers.answers import Json, choices_of, count_of, ids_of, read_answers
from octavo.analysis.importers.arrays import Array, array_of, decode_npy, read_arrays, take
from octavo.analysis.importers.recording import Answer, Marks, Recording, named_after, recording_of
from octavo.analysis.importers.shape import RouterShape
from octavo.errors import TraceError

SOURCE = "vllm"


def read_file(path: Path, shape: RouterShape, *, domain: str | None = None, marks: Marks | None = None) -> Recording:
    """Reads .json or .jsonl of answers, or .npy, .npz or .safetensors of one text; TraceError names what is wrong.

    Arrays are ``routed_experts`` (the only one of an .npy) and, if known, ``prompt_routed_experts``,
    ``routed_weights``, ``prompt_routed_weights``, ``token_ids`` and ``prompt_token_ids``.
    """
    answers = _from_arrays(path) if path.suffix in (".npy", ".npz", ".safetensors") else _from_json(path)
    return recording_of(answers, shape, source=SOURCE, domain=domain or named_after(path), marks=marks)


def from_outputs(outputs: Iterable[Any], shape: RouterShape, *, domain: str, marks: Marks | None = None) -> Recording:
    """Reads what ``LLM.generate`` returned, vLLM's or Octavo's: one document for each output of each request."""
    answers = (answer for output in outputs for answer in _from_output(output))
    return recording_of(answers, shape, source=SOURCE, domain=domain, marks=marks)


def _from_json(path: Path) -> Iterator[Answer]:
    for where, answer in read_answers(path):
        choices = choices_of(answer, where)
        usage = answer.get("usage") if isinstance(answer.get("usage"), dict) else {}
        prompt = ids_of(answer.get("prompt_token_ids", choices[0].get("prompt_token_ids")), where)
        num_prompt = len(prompt) if prompt is not None else count_of(usage.get("prompt_tokens"), "usage.prompt_tokens")  # type: ignore[union-attr]
        for place, choice in enumerate(choices):
            output = ids_of(choice.get("token_ids"), where)
            # The usage is that of all choices together.
            alone = usage.get("completion_tokens") if len(choices) == 1 else None  # type: ignore[union-attr]
            yield _answer(
                f"{where}, choice {place}",
                name=f"{answer.get('id', where)}/{place}",
                place=place,
                rows=_both(answer, choice, "routed_experts", where),
                weights=_both(answer, choice, "routed_weights", where),
                tokens=(prompt, output),
                counts=(num_prompt, len(output) if output is not None else count_of(alone, "usage.completion_tokens")),
                many=len(choices) > 1,
            )


def _both(answer: Json, choice: Json, name: str, where: str) -> tuple[Array | None, Array | None]:
    """The rows of the prompt, None where they stand with the output's, and those of the output."""
    found = []
    for kind, value in ((f"prompt_{name}", answer.get(f"prompt_{name}")), (name, choice.get(name))):
        array = decode_npy(value, f"{where}: {kind}") if isinstance(value, str) else value
        found.append(None if array is None else array_of(array, f"{where}: {kind}"))
    return found[0], found[1]


def _from_arrays(path: Path) -> Iterator[Answer]:
    arrays = read_arrays(path)
    if list(arrays) == [""]:
        arrays = {"routed_experts": arrays[""]}
    rows = (arrays.get("prompt_routed_experts"), take(arrays, "routed_experts", path))
    weights = (arrays.get("prompt_routed_weights"), arrays.get("routed_weights"))
    prompt, output = (
        None if name not in arrays else tuple(int(each) for each in arrays[name].ravel())
        for name in ("prompt_token_ids", "token_ids")
    )
    if prompt is None and output is not None and rows[0] is None:
        prompt, output = output, ()  # one array of ids for one array of rows
    counts = (None if prompt is None else len(prompt), None if output is None else len(output))
    yield _answer(
        str(path),
        name=path.name,
        place=0,
        rows=rows,
        weights=weights,
        tokens=(prompt, output),
        counts=counts,
        many=False,
    )


def _from_output(output: Any) -> Iterator[Answer]:
    for place, each in enumerate(output.outputs):
        prompt, ids = tuple(output.prompt_token_ids), tuple(each.token_ids)
        yield _answer(
            f"request {output.request_id}, output {place}",
            name=f"{output.request_id}/{place}",
            place=place,
            rows=(output.prompt_routed_experts, each.routed_experts),
            weights=(getattr(output, "prompt_routed_weights", None), getattr(each, "routed_weights", None)),
            tokens=(prompt, ids),
            counts=(len(prompt), len(ids)),
            many=len(output.outputs) > 1,
        )


def _answer(
    where: str,
    *,
    name: str,
    place: int,
    rows: tuple[Array | None, Array | None],
    weights: tuple[Array | None, Array | None],
    tokens: tuple[tuple[int, ...] | None, tuple[int, ...] | None],
    counts: tuple[int | None, int | None],
    many: bool,
) -> Answer:
    prompt_rows, output_rows = rows
    present = [each for each in rows if each is not None and len(each)]
    if output_rows is None or not present:
        raise TraceError(f"{where} has no routed_experts: start vLLM with --enable-return-routed-experts and ask again")
    num_prompt, num_output = counts
    if prompt_rows is not None:
        if num_prompt not in (None, len(prompt_rows)):
            raise TraceError(f"{where}: {len(prompt_rows)} rows of the prompt's {num_prompt} tokens: record it again")
        num_prompt = len(prompt_rows)
    if many and num_prompt is None:
        raise TraceError(f"{where}: several answers to one prompt of unknown length: add its prompt_token_ids")
    # Rows that fit the output and cannot fit the whole text are the output's: the prompt's were not given.
    fits = num_output is not None and len(output_rows) in (num_output - 1, num_output)
    alone = prompt_rows is None and num_prompt is not None and fits and num_prompt > 1
    weight = [each for each in weights if each is not None and len(each)]
    return Answer(
        where=where,
        name=name,
        expert_TLK=np.concatenate([np.asarray(each) for each in present]),
        weight_TLK=np.concatenate([np.asarray(each, np.float32) for each in weight]) if weight else None,
        prompt_ids=tokens[0],
        output_ids=tokens[1],
        num_prompt=num_prompt,
        num_output=num_output,
        start=num_prompt if alone and num_prompt else 0,
        first_row=num_prompt if place and num_prompt else 0,
    )
