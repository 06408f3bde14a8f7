"""What SGLang returns with ``--enable-return-routed-experts``: base64 of int32 [tokens − 1, all hidden layers, K].

It stands in ``meta_info`` of an answer of its own API, in ``sgl_ext`` of each choice of an OpenAI-style one
(docs.sglang.io, "Returning Routed Experts"). The rows run from ``routed_experts_start_len`` to the last token but one.
The layer axis has *all* hidden layers: rows of dense layers are zeros and are dropped here; zeros anywhere else, and
anything else there, are errors. The order of a token's experts is not known.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from octavo.analysis.importers.answers import Json, choices_of, count_of, ids_of, read_answers
from octavo.analysis.importers.arrays import Array, decode_base64, read_arrays
from octavo.analysis.importers.recording import Answer, Marks, Recording, named_after, recording_of
from octavo.analysis.importers.shape import RouterShape
from octavo.errors import TraceError

SOURCE = "sglang"


def read_file(path: Path, shape: RouterShape, *, domain: str | None = None, marks: Marks | None = None) -> Recording:
    """Reads .json or .jsonl of answers, or an .npy of [tokens, hidden layers, K]; TraceError names what is wrong.

    An answer tells of its tokens by number only. With ``input_ids`` added to it by whoever asked, and the
    ``output_ids`` that the server's own API gives, the trace has the tokens too.
    """
    if shape.num_hidden_layers is None:
        raise TraceError("SGLang records all hidden layers: say how many there are, or give the model's config.json")
    answers = _from_array(path, shape) if path.suffix == ".npy" else _from_json(path, shape)
    return recording_of(answers, shape, source=SOURCE, domain=domain or named_after(path), marks=marks)


def _from_array(path: Path, shape: RouterShape) -> Iterator[Answer]:
    yield Answer(where=str(path), name=path.name, expert_TLK=_sparse_layers(read_arrays(path)[""], shape, str(path)))


def _from_json(path: Path, shape: RouterShape) -> Iterator[Answer]:
    for where, answer in read_answers(path):
        if "meta_info" in answer:
            meta = answer["meta_info"] if isinstance(answer["meta_info"], dict) else {}
            counts = (meta.get("prompt_tokens"), meta.get("completion_tokens"))
            name = str(meta.get("id", where))
            yield _answer(answer, meta, shape, where=where, name=name, counts=counts)
            continue
        choices = choices_of(answer, where)
        usage = answer["usage"] if isinstance(answer.get("usage"), dict) else {}
        if len(choices) > 1:
            raise TraceError(f"{where}: {len(choices)} choices whose lengths nobody tells apart: ask for one at a time")
        held = choices[0].get("sgl_ext")
        counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
        name = str(answer.get("id", where))
        yield _answer(answer, held if isinstance(held, dict) else {}, shape, where=where, name=name, counts=counts)


def _answer(
    answer: Json, held: Json, shape: RouterShape, *, where: str, name: str, counts: tuple[object, object]
) -> Answer:
    text = held.get("routed_experts")
    if not isinstance(text, str):
        raise TraceError(
            f"{where} has no routed_experts: start SGLang with --enable-return-routed-experts and ask with "
            "return_routed_experts"
        )
    content, cell = decode_base64(text, f"{where}: routed_experts"), 4 * shape.k * (shape.num_hidden_layers or 0)
    if len(content) % cell:
        raise TraceError(
            f"{where}: routed_experts has {len(content)} bytes: want a multiple of {cell} (4 bytes · {shape.k} "
            f"experts · {shape.num_hidden_layers} layers); check the model"
        )
    rows = np.frombuffer(content, dtype="<i4").reshape(-1, shape.num_hidden_layers or 0, shape.k)
    prompt, output = ids_of(answer.get("input_ids"), where), ids_of(answer.get("output_ids"), where)
    num_prompt, num_output = (count_of(each, f"{where}: a number of tokens") for each in counts)
    if prompt is not None and num_prompt not in (None, len(prompt)):
        raise TraceError(f"{where}: {len(prompt)} input_ids for {num_prompt} prompt tokens: give those that were asked")
    return Answer(
        where=where,
        name=name,
        expert_TLK=_sparse_layers(rows, shape, where),
        prompt_ids=prompt,
        output_ids=output,
        num_prompt=num_prompt if prompt is None else len(prompt),
        num_output=num_output if output is None else len(output),
        start=count_of(answer.get("routed_experts_start_len"), f"{where}: routed_experts_start_len") or 0,
    )


def _sparse_layers(expert_THK: Array, shape: RouterShape, where: str) -> Array:
    """The rows of the MoE layers, from those of all H hidden layers."""
    if expert_THK.ndim != 3 or expert_THK.shape[1] != shape.num_hidden_layers:
        raise TraceError(
            f"{where} has the shape {list(expert_THK.shape)}: want [tokens, {shape.num_hidden_layers} hidden layers, "
            f"{shape.k}]"
        )
    for layer in sorted(set(range(expert_THK.shape[1])) - set(shape.layers)):
        if expert_THK[:, layer].any():
            raise TraceError(f"{where}: layer {layer} is dense but has experts in it: check the layers")
    return np.asarray(expert_THK[:, list(shape.layers)])
