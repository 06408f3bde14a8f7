"""From one dialect to another, to the bit: each tensor that is written is built from views of those that are read."""

from pathlib import Path

import torch
from torch import Tensor

from octavo.checkpoint import files
from octavo.checkpoint.digest import Digests
from octavo.checkpoint.folder import ModelFolder, checked_folder, collect_headers, open_folder, read_settings
from octavo.checkpoint.hugging_face import DEFAULT_BOS, DEFAULT_EOS
from octavo.checkpoint.json_file import dump, read_object
from octavo.checkpoint.load import Progress, check_spare_head
from octavo.checkpoint.names import Dialect, Part, atom_view
from octavo.checkpoint.pickled import PickledFiles, pickled_headers
from octavo.checkpoint.read import SafetensorsFiles, Weights
from octavo.checkpoint.save import HF_SHARD_BYTES, Contents, write_model
from octavo.checkpoint.settings import dtype_name
from octavo.checkpoint.verify import check_digests
from octavo.errors import CheckpointError


def convert(
    source: ModelFolder | Path | str,
    destination: Path | str,
    *,
    dialect: Dialect,
    dtype: torch.dtype | None = None,
    max_shard_bytes: int | None = None,
    allow_pickle: bool = False,
    overwrite: bool = False,
    verify: bool = True,
    progress: Progress | None = None,
) -> ModelFolder:
    """Writes the model of ``source`` as a folder of ``dialect`` and returns that folder, opened.

    Weights keep their bits unless another ``dtype`` is asked for. Memory peaks at the tensor being written plus the
    pages of one mapped shard. Settings, the generation settings and the tokenizer's files come along. Shards hold at
    most ``max_shard_bytes``; by default 5 GB in the Hugging Face dialects, and all in one file in the native one,
    which is what the publisher's own code reads. .pth and .pt files are read only with ``allow_pickle``, weights
    only. Checksums of the source are compared first, where it has any, unless ``verify`` is False.

    Raises ConfigError and CheckpointError as open_folder and save_model do.
    """
    opened = source if isinstance(source, ModelFolder) else _open(Path(source), allow_pickle)
    destination = Path(destination)
    if destination.resolve() == opened.path.resolve():
        raise CheckpointError(f"{destination}: is the folder that is read: write to another")
    weights = _weights(opened)
    try:
        _check(opened, weights, verify)
        write_model(
            destination,
            opened.config,
            _Atoms(opened, weights).view,
            dialect=dialect,
            dtype=dtype or opened.dtype,
            contents=_contents(opened, dialect, dtype or opened.dtype),
            max_shard_bytes=max_shard_bytes or (None if dialect.is_native else HF_SHARD_BYTES),
            overwrite=overwrite,
            progress=progress,
        )
    finally:
        weights.close()
    return open_folder(destination)


def open_pickled(path: Path) -> ModelFolder:
    """Opens a folder of consolidated.NN.pth or .pt files as open_folder does others; for conversion alone."""
    settings = read_settings(path)
    if not settings.native:
        raise CheckpointError(f"{path}: has {settings.file.name} but no params.json, which .pth files need")
    headers = collect_headers({file: pickled_headers(file) for file in files.pickled_files(path)})
    return checked_folder(path, settings, headers, None)


class _Atoms:
    """Finds each atom in the folder that is read."""

    def __init__(self, folder: ModelFolder, weights: Weights) -> None:
        self.weights = weights
        self.head_dim = folder.config.head_dim
        self.places: dict[str, tuple[str, Part]] = {
            part.atom: (stored.name, part) for stored in folder.table for part in stored.parts
        }

    def view(self, atom: str) -> Tensor:
        """The atom, as a view of its file."""
        name, part = self.places[atom]
        return atom_view(self.weights.read(name), part, self.head_dim)


def _open(path: Path, allow_pickle: bool) -> ModelFolder:
    has_pickles = path.is_dir() and bool(files.pickled_files(path))
    has_safetensors = path.is_dir() and any(files.has_weights(path, native) for native in (False, True))
    return open_pickled(path) if allow_pickle and has_pickles and not has_safetensors else open_folder(path)


def _weights(folder: ModelFolder) -> Weights:
    pickled = any(file.suffix in (".pth", ".pt") for file in folder.files)
    return PickledFiles(folder.tensors) if pickled else SafetensorsFiles(folder.tensors)


def _check(folder: ModelFolder, weights: Weights, verify: bool) -> None:
    if verify:
        check_digests(folder)
    with Digests(folder, enabled=False) as digests:
        check_spare_head(folder, weights, digests)


def _contents(folder: ModelFolder, dialect: Dialect, dtype: torch.dtype) -> Contents:
    """What goes beside the weights; between the Hugging Face dialects config.json is kept as its owner wrote it."""
    text = None
    if not dialect.is_native and not folder.dialect.is_native:
        text = folder.settings_file.read_bytes()
        if dtype != folder.dtype:
            settings = read_object(folder.settings_file)
            spelled = {name for name in ("dtype", "torch_dtype") if name in settings} or {"torch_dtype"}
            text = dump({**settings, **dict.fromkeys(spelled, dtype_name(dtype))})
    # params.json has no token ids; those of every tokenizer that its publisher released are the defaults.
    untold = folder.dialect.is_native
    return Contents(
        bos_token_id=DEFAULT_BOS if untold else folder.bos_token_id,
        eos_token_ids=DEFAULT_EOS if untold else folder.eos_token_ids,
        config_text=text,
        generation=folder.generation,
        tokenizer_from=folder.path,
    )
