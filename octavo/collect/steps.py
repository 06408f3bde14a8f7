"""Steps: a training run's own routings become a trace, every so many steps: how its experts come to be what they are.

A document of this trace is a piece of text as one step read it, called ``STEP FILE:LINE@TOKEN``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from octavo import __version__
from octavo.analysis.manifest import FILE, TraceManifest
from octavo.analysis.recorder import Recorder, Rows, rows_of
from octavo.analysis.store import TraceWriter
from octavo.collect.facts import tokenizer_sha256
from octavo.errors import RequestError, TraceError
from octavo.tokenizer import Tokenizer
from octavo.training.config import TrainConfig
from octavo.training.forward import Forward
from octavo.training.train import OnForward, fingerprint


@contextmanager
def recorded_steps(folder: Path, config: TrainConfig, *, every: int, resume: bool) -> Iterator[OnForward]:
    """Yields what a run hands its forwards to: the last one of every ``every``-th step goes into the trace ``folder``.

    A run that goes on from a checkpoint goes on with its trace; a step that it takes again is not recorded again.
    Raises RequestError for a dense model, and TraceError for a folder that holds something else or cannot be written.
    """
    if not config.model.is_sparse:
        raise RequestError("--trace was given, but the recipe's model has no experts: leave it out")
    if not resume and (folder / FILE).exists():
        raise TraceError(f"{folder} holds a trace: go on with --resume, or choose another folder")
    tokenizer = Tokenizer.from_folder(config.tokenizer)
    manifest = manifest_of_run(config, tokenizer, every=every)
    with TraceWriter(folder, manifest) as writer:
        writer.write_vocabulary(tokenizer.vocabulary.pieces, tokenizer.special_ids)
        recorder = Recorder(manifest, writer.add, special_ids=tokenizer.special_ids, bos_id=tokenizer.bos_id)

        def record(forward: Forward) -> None:
            if forward.step % every:
                return
            rows = rows_of(forward.routings)
            ids = forward.token_T.tolist()
            for span in forward.spans:
                name = f"{forward.step:08} {span.name}"
                if not writer.has(span.domain, name):
                    held = slice(span.start, span.stop)
                    recorder.record(part(rows, held), ids[held], domain=span.domain, name=name, source=span.name)

        yield record


def manifest_of_run(config: TrainConfig, tokenizer: Tokenizer, *, every: int) -> TraceManifest:
    """What the trace of a training run says of itself."""
    model = config.model
    return TraceManifest(
        num_experts=model.num_experts,
        num_experts_per_tok=model.num_experts_per_tok,
        layers=tuple(range(model.num_layers)),
        tokenizer_hash=tokenizer_sha256(tokenizer.path),
        vocab_size=model.vocab_size,
        context=model.context_length,
        has_weights=True,
        source="octavo train",
        settings={
            "octavo": __version__,
            "torch": torch.__version__,
            "recipe": fingerprint(config),
            "every": every,
            "documents": "STEP FILE:LINE@TOKEN is a piece of a document as the last forward of a step read it",
        },
    )


def part(rows: Rows, held: slice) -> Rows:
    """Some of the tokens of a forward."""
    assert rows.weight_TLK is not None
    return Rows(expert_TLK=rows.expert_TLK[held], weight_TLK=rows.weight_TLK[held])
