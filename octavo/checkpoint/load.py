"""From a model folder to a Transformer: piece by piece into memory allocated once, and whole or not at all."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from octavo.checkpoint.digest import Digests
from octavo.checkpoint.folder import ModelFolder, open_folder
from octavo.checkpoint.names import Order, Part, atom_view, embedding_name, parameters
from octavo.checkpoint.read import SafetensorsFiles, Weights
from octavo.checkpoint.stream import Delivery, deliver
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

    Tensors are read in pieces, through pinned memory where ``device`` is a GPU, so that beside the model itself this
    process takes a few buffers of 32 MiB, whatever the model's size (``octavo.checkpoint.stream``). Checksums are
    compared where a manifest is there, or the Hub cache's blob names, unless ``verify`` is False; each reader computes
    those of the tensor that it reads, at about 1.7 GB/s a core that has SHA instructions. Nothing is returned before
    everything was read and compared.

    Raises ConfigError and CheckpointError as open_folder does, and CheckpointError for a checksum that is wrong.
    """
    opened = folder if isinstance(folder, ModelFolder) else open_folder(folder)
    model = empty_model(opened.config, device=device, dtype=dtype or opened.dtype, ops=ops)
    place = model.norm.weight.device
    total = sum(math.prod(stored.shape) for stored in opened.table) * opened.dtype.itemsize
    with Digests(opened, enabled=verify) as digests:
        sizes = {stored.name: math.prod(stored.shape) * opened.dtype.itemsize for stored in opened.table}
        done = 0
        for name in deliver(opened.tensors, deliveries(opened, model, digests), device=place):
            done += sizes[name]
            if progress is not None:
                progress(name, done, total)
        with SafetensorsFiles(opened.tensors) as weights:
            check_spare_head(opened, weights, digests)
    return model


def deliveries(folder: ModelFolder, model: Transformer, digests: Digests) -> list[Delivery]:
    """Where each stored tensor goes in the model, file by file in the order of their names."""
    places = atoms_of_model(model)
    head_dim = folder.config.head_dim
    order = {file: number for number, file in enumerate(folder.files)}
    table = sorted(folder.table, key=lambda stored: order[folder.tensors[stored.name].file])
    return [
        Delivery(
            name=stored.name,
            # The rows of a head are not parted: q and k may lie in another order inside it.
            unit=head_dim if any(part.order in (Order.HALVES, Order.NEIGHBOURS) for part in stored.parts) else 1,
            put=partial(_put, stored.parts, places, head_dim),
            check=digests.of(stored.name),
        )
        for stored in table
    ]


def _put(
    parts: tuple[Part, ...], places: Mapping[str, tuple[Tensor, Part]], head_dim: int, first: int, rows_nI: Tensor
) -> None:
    """Writes rows ``first`` and on of a stored tensor where their atoms are in the model."""
    for part in parts:
        low, high = max(first, part.start), min(first + len(rows_nI), part.stop)
        if low >= high:
            continue
        source = atom_view(rows_nI, Part(part.atom, low - first, high - first, part.order), head_dim)
        parameter, place = places[part.atom]
        along = 1 if part.order is Order.TRANSPOSED else 0
        offset = low - part.start
        if part.order in (Order.HALVES, Order.NEIGHBOURS):
            offset //= head_dim
        atom_view(parameter, place, head_dim).narrow(along, offset, source.shape[along]).copy_(source)


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
