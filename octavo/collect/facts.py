"""Facts: what a trace's manifest says of the model, of how it was run, and of the texts that it read."""

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from octavo import __version__
from octavo.analysis.manifest import TraceManifest
from octavo.api.llm import LLM
from octavo.checkpoint import ModelFolder, open_folder
from octavo.checkpoint.files import hub_sha256
from octavo.checkpoint.manifest import file_sha256
from octavo.collect.windows import Limits
from octavo.errors import RequestError
from octavo.ops import INVARIANT

WINDOWS = "NAME@N is a document of its own: what the text NAME holds from its token N on, read anew"
BATCHES = "runs of windows, each run read by itself; the domain with the fewest tokens so far is next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What is kept of each token beside the experts that read it."""

    tokens: bool = True
    weights: bool = True
    logits: bool = False
    nll: bool = False
    predictions: bool = False


def expect_experts(llm: LLM, model: str) -> None:
    """Raises RequestError for a dense model."""
    if not llm.config.is_sparse:
        raise RequestError(f"{model} has no experts, so nothing is routed: want a sparse model such as octavo-mini")


def manifest_of(
    llm: LLM,
    *,
    model: str,
    folder: Path,
    columns: Columns,
    limits: Limits,
    bos: bool = True,
    settings: Mapping[str, Any] | None = None,
    statistics_only: bool = False,
) -> TraceManifest:
    """The manifest of texts that ``llm``, called ``model`` and read from ``folder``, reads; ``settings`` are added.

    Raises RequestError for a model without experts.
    """
    expect_experts(llm, model)
    config, opened = llm.config, open_folder(folder)
    invariant = llm.engine.runner.model.ops == INVARIANT
    return TraceManifest(
        num_experts=config.num_experts,
        num_experts_per_tok=config.num_experts_per_tok,
        layers=tuple(range(config.num_layers)),
        model=Path(model).name,
        model_hash=model_sha256(opened),
        tokenizer_hash=None if llm.tokenizer is None else tokenizer_sha256(llm.tokenizer.path),
        vocab_size=config.vocab_size,
        bos="tokenizer" if bos else "never",
        context=limits.context,
        batch_invariant=invariant,
        has_tokens=columns.tokens,
        has_weights=columns.weights,
        has_logits=columns.logits,
        has_nll=columns.nll,
        has_predictions=columns.predictions,
        statistics_only=statistics_only,
        settings={**run_facts(llm, invariant=invariant), "ties_known": columns.logits, **(settings or {})},
    )


def run_facts(llm: LLM, *, invariant: bool) -> dict[str, Any]:
    """What decides the bits of the routes beside model and text: versions, device, dtype and the batches."""
    weight, engine = llm.engine.runner.model.tok_embeddings.weight, llm.engine.config
    on_gpu = weight.device.type == "cuda"
    return {
        "octavo": __version__,
        "torch": torch.__version__,
        "machine": torch.cuda.get_device_name(weight.device) if on_gpu else platform.machine(),
        "device": weight.device.type,
        "dtype": str(weight.dtype).removeprefix("torch."),
        # How threads share a sum decides its last bits; without batches they do not share one.
        "threads": None if on_gpu or invariant else torch.get_num_threads(),
        "batch_tokens": engine.max_num_batched_tokens,
        "batch_windows": engine.max_num_seqs,
        "batches": BATCHES,
        "windows": WINDOWS,
    }


def model_sha256(folder: ModelFolder) -> str:
    """The SHA-256 over a model's tensors as its folder's manifest lists them, else over its weight files."""
    if folder.manifest is not None:
        tensors = sorted(folder.manifest.tensors.items())
        return _digest(f"{name} {each.dtype} {each.shape} {each.sha256}" for name, each in tensors)
    return _digest(f"{file.name} {hub_sha256(file) or file_sha256(file)}" for file in folder.files)


def tokenizer_sha256(path: Path) -> str:
    """The SHA-256 over a tokenizer's file and the configuration beside it."""
    beside = (path.with_name(name) for name in ("tokenizer_config.json", "special_tokens_map.json"))
    return _digest(f"{file.name} {file_sha256(file)}" for file in (path, *beside) if file.exists())


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
