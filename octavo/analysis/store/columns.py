"""The columns of a part, as the manifest promises them.

    doc_id u32 | pos u32 | token_id u32? | phase u8 | flags u16 | nll f32? | pred_id u32?
    r{layer}  u8 route code, or K ids as bytes where E^K > 256; null where the token's routing is not known
    w{layer}  u8 steps of the first weight from 0.5 on, or K floats as bytes
    z{layer}  E router logits as bytes: float16, or int8 steps with -128 for one that is not known

All bytes are little-endian.
"""

from typing import Any

import numpy as np

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store.extras import arrow

UNKNOWN_STEP = -128


def weight_dtype(manifest: TraceManifest) -> np.dtype[Any]:
    """The type in which one weight is kept."""
    if manifest.weight_step is not None:
        return np.dtype(np.uint8)
    return np.dtype("<f4" if manifest.exact_weights else "<f2")


def logits_dtype(manifest: TraceManifest) -> np.dtype[Any]:
    """The type in which one router logit is kept."""
    return np.dtype("<f2" if manifest.logits_step is None else np.int8)


def schema_of(manifest: TraceManifest) -> Any:
    """The Arrow schema of every part of a trace with this manifest."""
    pa = arrow()
    k, num_experts = manifest.num_experts_per_tok, manifest.num_experts
    id_bytes = manifest.coding.id_dtype.itemsize
    fields = [pa.field("doc_id", pa.uint32(), nullable=False), pa.field("pos", pa.uint32(), nullable=False)]
    if manifest.has_tokens:
        fields.append(pa.field("token_id", pa.uint32(), nullable=False))
    fields += [pa.field("phase", pa.uint8(), nullable=False), pa.field("flags", pa.uint16(), nullable=False)]
    if manifest.has_nll:
        fields.append(pa.field("nll", pa.float32()))
    if manifest.has_predictions:
        fields.append(pa.field("pred_id", pa.uint32(), nullable=False))
    route = pa.uint8() if manifest.coding.fits_a_byte else pa.binary(k * id_bytes)
    fields += [pa.field(f"r{layer}", route) for layer in manifest.layers]
    if manifest.has_weights:
        one_byte = manifest.weight_step is not None
        weight = pa.uint8() if one_byte else pa.binary(k * weight_dtype(manifest).itemsize)
        fields += [pa.field(f"w{layer}", weight) for layer in manifest.layers]
    if manifest.has_logits:
        logits = pa.binary(num_experts * logits_dtype(manifest).itemsize)
        fields += [pa.field(f"z{layer}", logits) for layer in manifest.layers]
    return pa.schema(fields)
