"""From a model folder to a Transformer: tensor by tensor into memory allocated once, and whole or not at all."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from octavo.checkpoint.digest import Digests
from octavo.checkpoint.folder import ModelFolder, open_folder
from octavo.checkpoint.names import Part, atom_view, embedding_name, parameters
from octavo.checkpoint.read import SafetensorsFiles, Weights
from octavo.config import ModelConfig
from octavo.errors import CheckpointError
from octavo.model import Transformer
from octavo.ops import REFERENCE, Ops

Progress = Callable[[str, int, int], None]
"""Called with what was just done (a tensor's name), the bytes done and the bytes in all."""


def load_model(
    folder: ModelFolder | Path | str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    ops: Ops = REFERENCE,
    verify: bool = True,
    progress: Progress | None = None,
) -> Transformer:
    """Loads the model of a folder in any dialect onto ``device``, in ``dtype`` (None: as stored).

    Memory peaks at the model plus the pages of at most one mapped shard. Checksums are compared where a manifest is
    there, or the Hub cache's blob names, unless ``verify`` is False; they are computed by up to eight threads beside
    the copying, at about 1.7 GB/s a core that has SHA instructions: with cores to spare the disk is what one waits
    for, while 1.2 GB that lay in memory already took 0.8 s without and 1.6 s with them on two busy cores. Nothing is
    returned before everything was read and compared.

    Raises ConfigError and CheckpointError as open_folder does, and CheckpointError for a checksum that is wrong.
    """
    opened = folder if isinstance(folder, ModelFolder) else open_folder(folder)
    model = empty_model(opened.config, device=device, dtype=dtype or opened.dtype, ops=ops)
    places = atoms_of_model(model)
    total = sum(math.prod(stored.shape) for stored in opened.table) * opened.dtype.itemsize
    with SafetensorsFiles(opened.tensors) as weights, Digests(opened, enabled=verify) as digests, torch.no_grad():
        done = 0
        for file in opened.files:
            for stored in (each for each in opened.table if opened.tensors[each.name].file == file):
                tensor = weights.read(stored.name)
                digests.tensor(stored.name, tensor)
                for part in stored.parts:
                    parameter, place = places[part.atom]
                    source = atom_view(tensor, part, opened.config.head_dim)
                    atom_view(parameter, place, opened.config.head_dim).copy_(source)
                done += tensor.nbytes
                if progress is not None:
                    progress(stored.name, done, total)
            # One shard at a time: its pages may go once its digests are done.
            digests.settle()
        check_spare_head(opened, weights, digests)
    return model


def empty_model(
    config: ModelConfig, *, device: torch.device | str, dtype: torch.dtype, ops: Ops = REFERENCE
) -> Transformer:
    """A Transformer whose parameters are allocated on ``device`` in ``dtype`` and hold nothing yet."""
    with torch.device("meta"):
        model = Transformer(config, ops)

    def empty(tensor: Tensor) -> Tensor:
        return torch.empty(tensor.shape, dtype=dtype, device=device)

    # As Module.to_empty would, but that goes through the registrations of the meta device, which load sympy: 0.65 s.
    filled: Transformer = model._apply(empty)  # type: ignore[no-untyped-call]
    return filled


def atoms_of_model(model: Transformer) -> Mapping[str, tuple[Tensor, Part]]:
    """For each atom of the name table, the parameter that holds it, and where in it."""
    named = dict(model.named_parameters())
    return {
        part.atom: (named[stored.name].detach(), part) for stored in parameters(model.config) for part in stored.parts
    }


def check_spare_head(folder: ModelFolder, weights: Weights, digests: Digests) -> None:
    """Raises CheckpointError when a folder with tied embeddings stores an output matrix that is not the embedding."""
    name = folder.spare_head
    if name is None:
        return
    head = weights.read(name)
    digests.tensor(name, head)
    embedding = weights.read(embedding_name(folder.dialect))
    if not torch.equal(_bits(head), _bits(embedding)):
        raise CheckpointError(
            f"{folder.tensors[name].file}: tensor {name!r} differs from the embedding, but {folder.settings_file.name} "
            "ties the two: untie them there, or remove the tensor"
        )


def _bits(tensor: Tensor) -> Tensor:
    """Equality of bits: a NaN equals itself."""
    return tensor.view(torch.int16 if tensor.itemsize == 2 else torch.int32)
