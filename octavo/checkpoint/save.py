"""From atoms, wherever they are, to a model folder: weights, settings, tokenizer and manifest."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from octavo.checkpoint import files
from octavo.checkpoint.hugging_face import DEFAULT_BOS, DEFAULT_EOS, config_json
from octavo.checkpoint.json_file import dump
from octavo.checkpoint.load import Progress, atoms_of_model
from octavo.checkpoint.manifest import MANIFEST_NAME, FileRecord, TensorRecord, file_sha256, manifest_bytes
from octavo.checkpoint.names import Dialect, Stored, atom_view, stored_tensors
from octavo.checkpoint.native import params_json
from octavo.checkpoint.read import require_regular
from octavo.checkpoint.settings import DTYPES, dtype_name
from octavo.checkpoint.write import new_folder, split, write_file, write_shard
from octavo.config import ModelConfig
from octavo.errors import CheckpointError
from octavo.model import Transformer

# What a tokenizer may consist of; copied as it stands.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer.model.v*",
    "tekken.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)
HF_SHARD_BYTES = 5 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is written beside the weights.

    ``bos_token_id`` and ``eos_token_ids`` go to config.json, unless ``config_text`` gives that file whole;
    ``generation`` is written as generation_config.json when it is not empty; tokenizer files are copied from
    ``tokenizer_from``.
    """

    bos_token_id: int | None = DEFAULT_BOS
    eos_token_ids: tuple[int, ...] = DEFAULT_EOS
    config_text: bytes | None = None
    generation: Mapping[str, object] = field(default_factory=dict)
    tokenizer_from: Path | None = None
    manifest: bool = True


def save_model(
    model: Transformer,
    folder: Path | str,
    *,
    dialect: Dialect = Dialect.HF,
    dtype: torch.dtype | None = None,
    tokenizer_from: Path | str | None = None,
    bos_token_id: int | None = DEFAULT_BOS,
    eos_token_ids: tuple[int, ...] = DEFAULT_EOS,
    generation_config: Mapping[str, object] | None = None,
    manifest: bool = True,
    max_shard_bytes: int | None = HF_SHARD_BYTES,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Writes a model as a folder of ``dialect``, its weights in ``dtype`` (None: the dtype of its embedding).

    The tokenizer's files are copied from the folder ``tokenizer_from``; ``generation_config`` is written as
    generation_config.json; a manifest of checksums is written unless ``manifest`` is False. Without a
    ``max_shard_bytes`` there is one weight file.

    The folder appears whole or not at all. Raises CheckpointError when it holds files and ``overwrite`` is False,
    when the dialect is one that is only read, and when the disk refuses.
    """
    places = atoms_of_model(model)

    def atom(name: str) -> Tensor:
        parameter, part = places[name]
        return atom_view(parameter, part, model.config.head_dim)

    write_model(
        Path(folder),
        model.config,
        atom,
        dialect=dialect,
        dtype=dtype or model.tok_embeddings.weight.dtype,
        contents=Contents(
            bos_token_id=bos_token_id,
            eos_token_ids=eos_token_ids,
            generation=generation_config or {},
            tokenizer_from=None if tokenizer_from is None else Path(tokenizer_from),
            manifest=manifest,
        ),
        max_shard_bytes=max_shard_bytes,
        overwrite=overwrite,
        progress=progress,
    )


def write_model(
    folder: Path,
    config: ModelConfig,
    atom: Callable[[str], Tensor],
    *,
    dialect: Dialect,
    dtype: torch.dtype,
    contents: Contents,
    max_shard_bytes: int | None,
    overwrite: bool,
    progress: Progress | None,
) -> None:
    """As save_model, for weights that ``atom`` gives one by one: memory peaks at one tensor of the folder."""
    if dialect is Dialect.NATIVE_STACKED:
        raise CheckpointError(f"{folder}: dialect {dialect} is read only: write native, hf or hf-stacked")
    if dtype not in DTYPES.values():
        raise CheckpointError(f"{folder}: weights cannot be written as {dtype_name(dtype)}: want {', '.join(DTYPES)}")
    table = stored_tensors(config, dialect)

    def build(stored: Stored) -> Tensor:
        tensor = torch.empty(stored.shape, dtype=dtype)
        for part in stored.parts:
            atom_view(tensor, part, config.head_dim).copy_(atom(part.atom))
        return tensor

    with new_folder(folder, overwrite=overwrite) as fresh:
        with torch.no_grad():
            shards = split(table, dtype.itemsize, max_shard_bytes)
            records = _write_weights(fresh, dialect, dtype, shards, _telling(progress, build, table, dtype))
        _write_beside(fresh, config, dialect, dtype, contents)
        if contents.manifest:
            kept = {path.name: _file_record(path) for path in sorted(fresh.iterdir())}
            write_file(fresh / MANIFEST_NAME, manifest_bytes(config, records, kept))


def _write_weights(
    fresh: Path, dialect: Dialect, dtype: torch.dtype, shards: list[list[Stored]], build: Callable[[Stored], Tensor]
) -> dict[str, TensorRecord]:
    native = dialect.is_native
    if len(shards) == 1:
        return write_shard(fresh / files.single_name(native), shards[0], dtype, build)
    records: dict[str, TensorRecord] = {}
    for number, shard in enumerate(shards, start=1):
        records |= write_shard(fresh / files.shard_name(native, number, len(shards)), shard, dtype, build)
    total = sum(math.prod(record.shape) for record in records.values()) * dtype.itemsize
    index = {
        "metadata": {"total_size": total},
        "weight_map": {name: record.file for name, record in sorted(records.items())},
    }
    write_file(fresh / files.index_name(native), dump(index))
    return records


def _telling(
    progress: Progress | None, build: Callable[[Stored], Tensor], table: tuple[Stored, ...], dtype: torch.dtype
) -> Callable[[Stored], Tensor]:
    """``build``, telling ``progress`` of each tensor that it has built."""
    if progress is None:
        return build
    tell = progress
    total = sum(math.prod(stored.shape) for stored in table) * dtype.itemsize
    done = 0

    def told(stored: Stored) -> Tensor:
        nonlocal done
        tensor = build(stored)
        done += tensor.nbytes
        tell(stored.name, done, total)
        return tensor

    return told


def _write_beside(fresh: Path, config: ModelConfig, dialect: Dialect, dtype: torch.dtype, contents: Contents) -> None:
    if dialect.is_native:
        write_file(fresh / "params.json", dump(params_json(config)))
    else:
        bos, eos = contents.bos_token_id, contents.eos_token_ids
        written = dump(config_json(config, dtype, bos_token_id=bos, eos_token_ids=eos))
        write_file(fresh / "config.json", contents.config_text or written)
    if contents.generation:
        write_file(fresh / "generation_config.json", dump(dict(contents.generation)))
    if contents.tokenizer_from is not None:
        for pattern in TOKENIZER_FILES:
            for path in sorted(contents.tokenizer_from.glob(pattern)):
                # A link out of the folder would carry a stranger's choice of this machine's files along.
                kept = files.inside(contents.tokenizer_from, path.name, contents.tokenizer_from)
                require_regular(kept)
                write_file(fresh / path.name, kept.read_bytes())


def _file_record(path: Path) -> FileRecord:
    return FileRecord(path.stat().st_size, None if path.suffix == ".safetensors" else file_sha256(path))
