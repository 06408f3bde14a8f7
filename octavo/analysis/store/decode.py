"""Rows of a part turned back into chunks, with every check that corrupt rows fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Integer, UInt8

from octavo.analysis.chunk import Chunk, Flag
from octavo.analysis.codes import RouteCoding
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store.catalogue import Part
from octavo.analysis.store.columns import UNKNOWN_STEP, logits_dtype, schema_of, weight_dtype
from octavo.analysis.store.extras import arrow
from octavo.analysis.store.parts import damaged, open_table
from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which columns are read: all layers in ``layers``, and whatever else was asked for and is there."""

    manifest: TraceManifest
    layers: tuple[int, ...]
    weights: bool = False
    logits: bool = False
    nll: bool = False
    predictions: bool = False

    @property
    def columns(self) -> list[str]:
        """Their names in a part."""
        kinds = ["r", *["w"] * self.weights, *["z"] * self.logits]
        plain = ["doc_id", "pos", "phase", "flags", *["token_id"] * self.manifest.has_tokens]
        plain += [*["nll"] * self.nll, *["pred_id"] * self.predictions]
        return plain + [f"{kind}{layer}" for kind in kinds for layer in self.layers]


def read_rows(part: Part, wanted: Wanted) -> Any:
    """Reads some columns of a part as an Arrow table. Raises TraceError, naming the file, where it is damaged, or where
    its columns are not those of the manifest or its rows not those of its documents."""
    schema = schema_of(wanted.manifest)
    with open_table(part.path) as file:
        found = file.schema_arrow
        for name in wanted.columns:
            kind = found.field(name).type if name in found.names else None
            if kind != schema.field(name).type:
                state = f"has the type {kind}" if kind else "is missing"
                raise TraceError(
                    f"{part.path} contradicts the manifest: column {name} {state}, want {schema.field(name).type}; "
                    "put the trace's own manifest back, or write it anew"
                )
        try:
            table = file.read(columns=wanted.columns).combine_chunks()
        except (OSError, ValueError, arrow().lib.ArrowException) as error:
            raise damaged(part.path, error) from None
    if lost := set(wanted.columns) - set(table.column_names):
        raise damaged(part.path, ValueError(f"column {min(lost)} has lost its name"))
    document_T = table["doc_id"].to_numpy()
    stated_T = np.repeat(
        [each.document - part.shift for each in part.documents], [each.num_tokens for each in part.documents]
    )
    if not np.array_equal(document_T, stated_T):
        raise TraceError(
            f"{part.path}: its rows are not those of the documents it lists: copy it again or write it anew"
        )
    return table


def chunk_of_rows(table: Any, documents: Sequence[Any], wanted: Wanted, *, path: Any, first_row: int) -> Chunk:
    """Some documents' rows as a chunk; ``first_row`` is where they begin in the part, for messages. Raises TraceError
    for a code that is not legal, naming file, layer and row."""
    coding = wanted.manifest.coding
    flag_T = _plain(table, "flags")
    where = Place(path=path, first_row=first_row, layers=wanted.layers, missing_T=(flag_T & Flag.MISSING) != 0)
    code_LT, expert_LTK = _routes(table, coding, where)
    nll_T = table["nll"].combine_chunks().to_numpy(zero_copy_only=False) if wanted.nll else None
    return Chunk(
        domain=documents[0].domain,
        document_S=np.array([each.document for each in documents], np.uint32),
        start_S1=np.cumsum([0, *(each.num_tokens for each in documents)]),
        position_T=_plain(table, "pos"),
        phase_T=_plain(table, "phase"),
        flag_T=flag_T,
        expert_LTK=expert_LTK,
        code_LT=code_LT,
        token_T=_plain(table, "token_id") if wanted.manifest.has_tokens else None,
        weight_LTK=_weights(table, wanted, where) if wanted.weights else None,
        logits_LTE=_logits(table, wanted) if wanted.logits else None,
        nll_T=nll_T,
        prediction_T=_plain(table, "pred_id") if wanted.predictions else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where rows stand, for messages, and which of them have no routing."""

    path: Any
    first_row: int
    layers: tuple[int, ...]
    missing_T: Any

    def wrong(self, layer: int, row: int, said: str) -> TraceError:
        """The error for one cell."""
        return TraceError(
            f"{self.path}, layer {self.layers[layer]}, row {self.first_row + row}: {said}; copy the file again, or "
            "write the trace anew"
        )


def _routes(table: Any, coding: RouteCoding, where: Place) -> tuple[Any, Any]:
    num_tokens = len(where.missing_T)
    stored = np.uint8 if coding.fits_a_byte else coding.id_dtype
    inner = () if coding.fits_a_byte else (coding.k,)
    value_LTX = np.empty((len(where.layers), num_tokens, *inner), stored)
    for place, layer in enumerate(where.layers):
        value_LTX[place] = _filled(table, f"r{layer}", value_LTX[place].shape, where=where, place=place)
    if coding.fits_a_byte:
        expert_KLT = decode_ranks(value_LTX, coding)
        beyond_LT: Any = value_LTX >= coding.size if coding.size < 256 else np.zeros(0, bool)
    else:
        expert_KLT = np.ascontiguousarray(np.moveaxis(value_LTX, -1, 0))
        beyond_LT = (expert_KLT >= coding.num_experts).any(axis=0)
    _check_legal(beyond_LT, expert_KLT, value_LTX, where)
    return (value_LTX if coding.fits_a_byte else None), np.moveaxis(expert_KLT, 0, -1)


def decode_ranks(code_LT: UInt8[np.ndarray, "L T"], coding: RouteCoding) -> Integer[np.ndarray, "K L T"]:
    """Experts by rank, each rank's layers in one piece; a division a rank, which is faster than a table."""
    expert_KLT = np.empty((coding.k, *code_LT.shape), np.uint8)
    rest_LT = code_LT
    for rank in range(coding.k - 1, 0, -1):
        above_LT = rest_LT // np.uint8(coding.num_experts) if coding.num_experts < 256 else np.zeros_like(rest_LT)
        np.subtract(rest_LT, above_LT * np.uint8(coding.num_experts % 256), out=expert_KLT[rank])
        rest_LT = above_LT
    expert_KLT[0] = rest_LT
    return expert_KLT


def _check_legal(beyond_LT: Any, expert_KLT: Any, value_LTX: Any, where: Place) -> None:
    illegal = beyond_LT.any()
    k = len(expert_KLT)
    twice = [(one, two) for one in range(k) for two in range(one) if (expert_KLT[one] == expert_KLT[two]).any()]
    if not illegal and not twice:
        return
    wrong_LT = beyond_LT if beyond_LT.size else np.zeros(expert_KLT.shape[1:], bool)
    for one, two in twice:
        wrong_LT = wrong_LT | (expert_KLT[one] == expert_KLT[two])
    wrong_LT = wrong_LT & ~where.missing_T
    if wrong_LT.any():
        layer, row = np.unravel_index(int(wrong_LT.argmax()), wrong_LT.shape)
        found = value_LTX[layer, row].tolist()
        raise where.wrong(int(layer), int(row), f"{found} is no choice of {k} different experts")


def _filled(table: Any, name: str, shape: tuple[int, ...], *, where: Place, place: int) -> Any:
    """A route column as an array, 0 where it is null, which it may be only where the row is flagged."""
    column = table[name].combine_chunks()
    if column.null_count:
        null_T = column.is_null().to_numpy(zero_copy_only=False)
        if (null_T & ~where.missing_T).any():
            row = int((null_T & ~where.missing_T).argmax())
            raise where.wrong(place, row, "no experts, and no flag that says that they are not known")
    values = _values(column, shape)
    if where.missing_T.any():
        values = np.where(where.missing_T.reshape(-1, *[1] * (len(shape) - 1)), 0, values)
    return values


def _values(column: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    """The numbers of a column, whatever stands where it is null."""
    pa = arrow()
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        dtype = dtype or (np.uint8 if width == shape[-1] else np.dtype("<u2"))
        flat = np.frombuffer(column.buffers()[1], np.uint8, len(column) * width, column.offset * width)
        return flat.view(dtype).reshape(shape)
    return (column.fill_null(0) if column.null_count else column).to_numpy()


def _plain(table: Any, name: str) -> Any:
    return table[name].combine_chunks().to_numpy()


def _weights(table: Any, wanted: Wanted, where: Place) -> Float32[np.ndarray, "L T K"]:
    manifest = wanted.manifest
    shape = (table.num_rows, manifest.num_experts_per_tok)
    weight_LTK = np.empty((len(wanted.layers), *shape), np.float32)
    for place, layer in enumerate(wanted.layers):
        weight_TK, column = weight_LTK[place], table[f"w{layer}"].combine_chunks()
        if (step := manifest.weight_step) is not None:
            steps_T = _values(column, shape[:1])
            if steps_T.max(initial=0) > (most := round(0.5 / step)):
                raise where.wrong(place, int(steps_T.argmax()), f"{steps_T.max()} is no weight of 0 to {most} steps")
            weight_TK[:, 0] = steps_T * np.float32(step) + np.float32(0.5)
            weight_TK[:, 1] = 1 - weight_TK[:, 0]
        else:
            weight_TK[:] = _values(column, shape, weight_dtype(manifest))
        _forget(weight_TK, column)
    return weight_LTK


def _logits(table: Any, wanted: Wanted) -> Float32[np.ndarray, "L T E"]:
    manifest = wanted.manifest
    shape = (table.num_rows, manifest.num_experts)
    logits_LTE = np.empty((len(wanted.layers), *shape), np.float32)
    for place, layer in enumerate(wanted.layers):
        column = table[f"z{layer}"].combine_chunks()
        value_TE = _values(column, shape, logits_dtype(manifest))
        if manifest.logits_step is None:
            logits_LTE[place] = value_TE
        else:
            steps_TE = np.where(value_TE == UNKNOWN_STEP, np.float32(np.nan), value_TE)
            logits_LTE[place] = steps_TE * np.float32(manifest.logits_step)
        _forget(logits_LTE[place], column)
    return logits_LTE


def _forget(value_TX: Any, column: Any) -> None:
    """Writes NaN where the column is null."""
    if column.null_count:
        value_TX[column.is_null().to_numpy(zero_copy_only=False)] = np.nan
