"""A model folder, opened: what it is, and where its tensors are, each in the shape and dtype that it should have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from octavo.checkpoint import files
from octavo.checkpoint.fields import Fields
from octavo.checkpoint.hugging_face import read_config_json
from octavo.checkpoint.json_file import read_object
from octavo.checkpoint.manifest import Manifest, read_manifest
from octavo.checkpoint.names import Dialect, Stored, head_name, stored_tensors
from octavo.checkpoint.native import read_params_json
from octavo.checkpoint.read import CODES, Header, read_headers
from octavo.checkpoint.settings import Settings, dtype_name
from octavo.config import ModelConfig
from octavo.errors import CheckpointError

# Buffers that old versions of transformers saved and that are computed from the settings.
_COMPUTED = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A folder whose settings were read and whose tensors were all found, in the right shape and in one dtype.

    ``tensors`` has one header for each tensor of ``table``; ``spare_head`` is the output matrix that a folder with
    tied embeddings stores all the same, which must equal the embedding. ``generation`` is generation_config.json as
    it stands.
    """

    path: Path
    dialect: Dialect
    config: ModelConfig
    dtype: torch.dtype
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]
    generation: Mapping[str, object]
    settings_file: Path
    table: tuple[Stored, ...]
    tensors: Mapping[str, Header]
    spare_head: str | None
    manifest: Manifest | None

    @property
    def files(self) -> tuple[Path, ...]:
        """The weight files, in order of name."""
        return tuple(sorted({header.file for header in self.tensors.values()}))


def read_settings(path: Path | str) -> Settings:
    """What ``path``, a model folder or its config.json or params.json, says of the model; weights need not be there.

    Raises CheckpointError when there is no such file and ConfigError when it says what cannot be honoured.
    """
    path = Path(path)
    if path.is_file():
        return read_params_json(path) if path.name.startswith("params") else read_config_json(path)
    if not path.is_dir():
        raise CheckpointError(f"{path}: no such folder: give a model folder, or a Hub id such as org/name")
    config, params = path / "config.json", path / "params.json"
    if params.exists() and (
        not config.exists() or (files.has_weights(path, True) and not files.has_weights(path, False))
    ):
        return read_params_json(params)
    if config.exists():
        return read_config_json(config)
    raise CheckpointError(
        f"{path}: has neither config.json nor params.json: want a model folder, or a Hub id such as org/name"
    )


def open_folder(path: Path | str) -> ModelFolder:
    """Opens a model folder: reads its settings and the headers of its weight files, and checks one against the other.

    Where a folder holds two dialects, Hugging Face is read. Raises ConfigError for settings that cannot be honoured
    and CheckpointError, naming the file and where one can be known the tensor, for anything missing, left over, or
    not as the settings have it.
    """
    path = Path(path)
    if path.is_file():
        raise CheckpointError(f"{path}: is a file: give the folder that it is in")
    settings = read_settings(path)
    found, mapped = files.weight_files(path, settings.native)
    headers = collect_headers({file: read_headers(file) for file in found})
    if mapped is not None:
        _compare_with_index(headers, mapped, path / files.index_name(settings.native))
    return checked_folder(path, settings, headers, read_manifest(path))


def collect_headers(by_file: Mapping[Path, Mapping[str, Header]]) -> dict[str, Header]:
    """The headers of several files as one; raises CheckpointError when two files hold a tensor of the same name."""
    headers: dict[str, Header] = {}
    for file, found in by_file.items():
        for name, header in found.items():
            if name in headers:
                raise CheckpointError(f"{file}: tensor {name!r} is also in {headers[name].file.name}: want it once")
            headers[name] = header
    return headers


def checked_folder(
    path: Path, settings: Settings, headers: Mapping[str, Header], manifest: Manifest | None
) -> ModelFolder:
    """The opened folder, once names, shapes and dtypes of ``headers`` are those that ``settings`` wants."""
    dialect = _dialect(settings, headers)
    table = stored_tensors(settings.config, dialect)
    spare = head_name(dialect) if settings.config.tie_embeddings and head_name(dialect) in headers else None
    kept = {name: header for name, header in headers.items() if not _COMPUTED.fullmatch(name)}
    _check_names_and_shapes(path, settings, table, kept, spare)
    dtype = _one_dtype(settings, kept)
    if manifest is not None:
        manifest.check_structure(settings.config, kept)
    generation, bos, eos = _generation(path, settings)
    return ModelFolder(
        path=path,
        dialect=dialect,
        config=settings.config,
        dtype=dtype,
        bos_token_id=bos,
        eos_token_ids=eos,
        generation=MappingProxyType(generation),
        settings_file=settings.file,
        table=table,
        tensors=MappingProxyType(kept),
        spare_head=spare,
        manifest=manifest,
    )


def _dialect(settings: Settings, headers: Mapping[str, Header]) -> Dialect:
    if settings.native:
        stacked = any(".block_sparse_moe.w" in name for name in headers)
        return Dialect.NATIVE_STACKED if stacked else Dialect.NATIVE
    return Dialect.HF_STACKED if any(".mlp.experts." in name for name in headers) else Dialect.HF


def _compare_with_index(headers: Mapping[str, Header], mapped: Mapping[str, str], index: Path) -> None:
    for name, file in mapped.items():
        if name not in headers:
            raise CheckpointError(
                f"{index.with_name(file)}: has no tensor {name!r}, though {index.name} says so: fetch both again"
            )
        if headers[name].file.name != file:
            raise CheckpointError(
                f"{index}: says that tensor {name!r} is in {file}, but {headers[name].file.name} holds it: fetch both"
            )
    for name, header in headers.items():
        if name not in mapped:
            raise CheckpointError(
                f"{header.file}: holds tensor {name!r}, of which {index.name} knows nothing: fetch both again"
            )


def _check_names_and_shapes(
    path: Path, settings: Settings, table: tuple[Stored, ...], headers: Mapping[str, Header], spare: str | None
) -> None:
    wanted = {stored.name: stored.shape for stored in table}
    if spare is not None:
        wanted[spare] = (settings.config.vocab_size, settings.config.dim)
    for name, header in headers.items():
        if name not in wanted:
            raise CheckpointError(f"{header.file}: tensor {name!r} has no place in the model of {settings.file.name}")
        if header.shape != wanted[name]:
            raise CheckpointError(
                f"{header.file}: tensor {name!r} has shape {list(header.shape)}, "
                f"but {settings.file.name} wants {list(wanted[name])}: make the two agree"
            )
        if header.dtype not in CODES:
            raise CheckpointError(f"{header.file}: tensor {name!r} is {header.dtype}, want one of {', '.join(CODES)}")
    missing = [name for name in wanted if name not in headers]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        tied = ": if its embeddings are tied, say so with tie_word_embeddings" if missing == ["lm_head.weight"] else ""
        raise CheckpointError(
            f"{path}: its weight files lack tensor {missing[0]!r}{more}, which {settings.file.name} wants{tied}"
        )


def _one_dtype(settings: Settings, headers: Mapping[str, Header]) -> torch.dtype:
    codes = [header.dtype for header in headers.values()]
    common = max(sorted(set(codes)), key=codes.count)
    want = next((code for code, dtype in CODES.items() if dtype == settings.dtype), common)
    for name, header in headers.items():
        if header.dtype != want:
            who = f"{settings.file.name} says {dtype_name(CODES[want])}" if settings.dtype else f"the others are {want}"
            raise CheckpointError(f"{header.file}: tensor {name!r} is {header.dtype}, but {who}: make the two agree")
    return CODES[want]


def _generation(path: Path, settings: Settings) -> tuple[dict[str, object], int | None, tuple[int, ...]]:
    """generation_config.json, and the begin and end ids: its own where it has them, else those of the settings."""
    file = path / "generation_config.json"
    if settings.native or not file.exists():
        return {}, settings.bos_token_id, settings.eos_token_ids
    generation = read_object(file)
    fields = Fields(file, generation)
    bos, eos = fields.token_ids("bos_token_id"), fields.token_ids("eos_token_id")
    return generation, bos[0] if bos else settings.bos_token_id, eos or settings.eos_token_ids
