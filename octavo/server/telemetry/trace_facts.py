"""Trace facts: what the trace of live traffic says of the model and of how it ran, in its manifest."""

import platform
from pathlib import Path
from typing import Any

import torch

from octavo import __version__
from octavo.analysis.manifest import TraceManifest
from octavo.api.opening import find_model
from octavo.checkpoint import open_folder
from octavo.checkpoint.files import hub_sha256
from octavo.collect.facts import model_sha256, tokenizer_sha256
from octavo.errors import CheckpointError, TraceError
from octavo.server.backend.service import ServiceFacts
from octavo.server.settings import ServerSettings
from octavo.server.telemetry.traffic import Spelling
from octavo.tokenizer import Tokenizer

DOCUMENTS = "REQUEST#INDEX is output INDEX of a request with its prompt before it; domains are kinds of requests"
BATCHES = "live traffic: whoever asks at the same time"


def live_manifest(facts: ServiceFacts, settings: ServerSettings, tokenizer: Tokenizer | None) -> TraceManifest:
    """The manifest of a trace of what an engine with ``facts`` serves; raises TraceError for a dense model."""
    config = facts.config
    if not config.is_sparse:
        raise TraceError(f"{facts.model_name} has no experts, so nothing is routed: leave --trace-dir out")
    return TraceManifest(
        num_experts=config.num_experts,
        num_experts_per_tok=config.num_experts_per_tok,
        layers=tuple(range(config.num_layers)),
        model=Path(facts.model_name).name,
        model_hash=_model_hash(settings),
        tokenizer_hash=None if tokenizer is None else tokenizer_sha256(tokenizer.path),
        vocab_size=config.vocab_size,
        context=facts.max_model_len,
        batch_invariant=settings.model.batch_invariant,
        has_tokens=settings.trace.tokens,
        has_weights=True,
        source="octavo serve",
        settings=_run_facts(facts, settings),
    )


def spelling_of(settings: ServerSettings, tokenizer: Tokenizer | None) -> Spelling:
    """What a trace must know of the tokenizer; how ids are spelled only where the trace keeps ids."""
    if tokenizer is None:
        return Spelling()
    pieces = tokenizer.vocabulary.pieces if settings.trace.tokens else ()
    return Spelling(special_ids=tokenizer.special_ids, bos_id=tokenizer.bos_id, pieces=pieces)


def _run_facts(facts: ServiceFacts, settings: ServerSettings) -> dict[str, Any]:
    return {
        "octavo": __version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "device": facts.device,
        "dtype": facts.dtype,
        "batch_tokens": facts.max_num_batched_tokens,
        "batches": BATCHES,
        "documents": DOCUMENTS,
        "sample": settings.trace.sample,
        "ties_known": False,
    }


def _model_hash(settings: ServerSettings) -> str | None:
    """The hash of the model's tensors where it need not be computed from all of its weights."""
    if settings.model.load_format == "dummy":
        return None
    try:
        folder = open_folder(find_model(settings.model.name, revision=settings.model.revision))
    except CheckpointError:
        return None
    if folder.manifest is None and any(hub_sha256(file) is None for file in folder.files):
        return None
    return model_sha256(folder)
