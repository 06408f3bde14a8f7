"""What transformers returns with ``output_router_logits=True``: a tuple of L tensors of router logits, [B·S, E] each.

The K largest logits of a row are the chosen experts, in rank order, and their softmax the weights; where two are equal
the lower id comes first and the token is flagged as a tie, since transformers may have taken the other.

Releases 5.0 to 5.5 of transformers gave the softmax of the logits under that name (huggingface/transformers issue
#45120, mended by pull request #45131 in 5.6). Those are refused: a softmax in float32 makes equal what was not, and
what is lost by it cannot be had back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Integer

from octavo.analysis.chunk import Flag
from octavo.analysis.importers.arrays import Array, array_of, read_arrays, take
from octavo.analysis.importers.checks import are_probabilities, check_ids
from octavo.analysis.importers.recording import Marks, Recording, named_after
from octavo.analysis.importers.shape import RouterShape
from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError

SOURCE = "transformers"
PROBABILITIES = (
    "every row sums to 1: these are probabilities, as transformers 5.0 to 5.5 returned them (issue #45120, mended by "
    "#45131): record the logits again with transformers 5.6 or later"
)


def read_file(path: Path, shape: RouterShape, *, domain: str | None = None, marks: Marks | None = None) -> Recording:
    """Reads an .npz or .safetensors with ``router_logits`` [L, B·S, E], or ``router_logits.0`` and so on by layer.

    ``input_ids`` [B, S] makes documents of the rows and has to be there; ``attention_mask`` [B, S] says which are
    padding.
    """
    arrays = read_arrays(path)
    if "router_logits" in arrays:
        logits: Sequence[Array] = list(arrays["router_logits"])
    else:
        logits = [take(arrays, f"router_logits.{place}", path) for place in range(len(shape.layers))]
        if f"router_logits.{len(logits)}" in arrays:
            raise TraceError(f"{path} has logits of more layers than the model's {len(logits)}: check the model")
    return from_router_logits(
        logits,
        take(arrays, "input_ids", path),
        shape,
        attention_mask=arrays.get("attention_mask"),
        domain=domain or named_after(path),
        name=path.name,
        marks=marks,
    )


def from_router_logits(
    router_logits: Sequence[object],
    input_ids: object,
    shape: RouterShape,
    *,
    attention_mask: object = None,
    domain: str,
    name: str = "batch",
    marks: Marks | None = None,
) -> Recording:
    """Reads the tensors of one forward of B sequences of S tokens: one document for each, without its padding.

    ``router_logits`` is what the model's output has under that name: torch tensors, arrays or lists, one for each MoE
    layer. Raises TraceError for shapes that disagree, numbers that are not finite, and probabilities in their place.
    """
    token_BS = np.atleast_2d(array_of(input_ids, "input_ids"))
    mask_BS = (
        np.ones(token_BS.shape, bool) if attention_mask is None else array_of(attention_mask, "attention_mask") != 0
    )
    if mask_BS.shape != token_BS.shape:
        raise TraceError(f"attention_mask has the shape {list(mask_BS.shape)}, input_ids {list(token_BS.shape)}")
    check_ids(token_BS[mask_BS], "input_ids")
    if len(router_logits) != len(shape.layers):
        raise TraceError(
            f"router_logits has {len(router_logits)} layers, the model {len(shape.layers)} MoE layers: check the model"
        )
    logits_LTE = np.stack([_layer(each, place, shape, token_BS.size) for place, each in enumerate(router_logits)])
    if not np.isfinite(logits_LTE[:, mask_BS.ravel()]).all():
        raise TraceError("router_logits has numbers that are not finite: run the model again in a wider type")
    if any(are_probabilities(each[mask_BS.ravel()]) for each in logits_LTE):
        raise TraceError(f"router_logits of {name!r}: {PROBABILITIES}")
    made = Sequences(shape=shape, domain=domain, marks=marks)
    documents = tuple(
        made.document(
            logits_LTE[:, place * mask_S.size :][:, : mask_S.size][:, mask_S], token_S[mask_S], f"{name}/{place}"
        )
        for place, (token_S, mask_S) in enumerate(zip(token_BS, mask_BS, strict=True))
        if mask_S.any()
    )
    if not documents:
        raise TraceError(f"router_logits of {name!r}: no token that is not padding: check the attention_mask")
    return Recording(source=SOURCE, shape=shape, documents=documents, rank_ordered=True, marked=marks is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """What all documents of one call have in common."""

    shape: RouterShape
    domain: str
    marks: Marks | None

    def document(
        self, logits_LTE: Float32[np.ndarray, "L T E"], token_T: Integer[np.ndarray, "T"], name: str
    ) -> DocumentRoutes:
        """One sequence, its experts chosen and weighed as the model chose and weighed them."""
        logits_TLE = np.moveaxis(logits_LTE, 0, 1)
        order_TLE = np.argsort(-logits_TLE, axis=2, kind="stable")
        sorted_TLE = np.take_along_axis(logits_TLE, order_TLE, axis=2)
        k = self.shape.k
        raised_TLK = np.exp(sorted_TLE[:, :, :k] - sorted_TLE[:, :, :1])
        # Equal logits leave open which expert came first, or, at the border, which came in at all.
        border = min(k + 1, self.shape.num_experts)
        tie_T = (np.diff(sorted_TLE[:, :, :border], axis=2) == 0).any(axis=(1, 2))
        flag_T = (tie_T * int(Flag.TIE)).astype(np.uint16)
        return DocumentRoutes(
            domain=self.domain,
            name=name,
            source=name,
            expert_TLK=order_TLE[:, :, :k].astype(np.int16),
            token_T=token_T.astype(np.int64),
            flag_T=flag_T if self.marks is None else flag_T | self.marks.flag_T(token_T),
            weight_TLK=raised_TLK / raised_TLK.sum(axis=2, keepdims=True),
            logits_TLE=logits_TLE,
        )


def _layer(value: object, place: int, shape: RouterShape, rows: int) -> Float32[np.ndarray, "T E"]:
    layer_TE = array_of(value, f"router_logits of layer {shape.layers[place]}")
    if layer_TE.shape != (rows, shape.num_experts):
        raise TraceError(
            f"router_logits of layer {shape.layers[place]} has the shape {list(layer_TE.shape)}: want "
            f"[{rows}, {shape.num_experts}], a row for each of the input_ids and a column for each expert"
        )
    return np.asarray(layer_TE, dtype=np.float32)
