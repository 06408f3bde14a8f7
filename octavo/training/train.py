"""The training loop: text to tokens, tokens to batches, batches to steps, with reports and checkpoints on the way.

On a CPU the model is float32, and a run that was killed at any moment goes on from its last checkpoint as if it never
had been, bit for bit. On a GPU the model is bfloat16, its master weights are float32, and the forward is compiled.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from octavo.errors import ConfigError
from octavo.model import Transformer
from octavo.ops import GROUPED, REFERENCE
from octavo.training import snapshot
from octavo.training.config import Phase, TrainConfig
from octavo.training.corpus import shards
from octavo.training.evaluate import Evaluation, evaluate
from octavo.training.forward import Forward, forward_of
from octavo.training.metrics import Journal, StepReport, draw, tensorboard
from octavo.training.objective import objective
from octavo.training.optimizer import Optimizer, rate_at
from octavo.training.packing import Packer, Place, domain_shares
from octavo.training.progress import Measured, Progress, TrainingStopped
from octavo.training.snapshot import Snapshot
from octavo.training.tokens import CHAT, Encoder, TokenShard, tokenise

OnStep = Callable[[StepReport], None]
OnForward = Callable[[Forward], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: the model on its device, and how it reads the validation text (None when there is none)."""

    model: Transformer
    step: int
    validation: Evaluation | None


def train(
    config: TrainConfig,
    *,
    corpus: Path,
    output: Path,
    resume: bool = False,
    device: str | torch.device | None = None,
    on_step: OnStep | None = None,
    on_forward: OnForward | None = None,
    draw_curves: bool = False,
    workers: int = 1,
    token_folder: Path | None = None,
) -> Trained:
    """Trains a model by ``config`` on ``corpus`` and writes checkpoints and ``metrics.jsonl`` into ``output``.

    Every file of the train and validation splits is read, checked and tokenised before the first step, by ``workers``
    processes, into ``token_folder`` (by default in ``output``). ``on_step`` is called with each StepReport,
    ``on_forward`` with the last Forward of each step, its routings on the device. With
    ``resume`` the run goes on from its newest complete checkpoint, or begins when there is none.

    Raises CorpusError for bad text, ConfigError for settings that do not fit it or ``output``, CheckpointError when a
    checkpoint cannot be written or read, and TrainingStopped when the loss is no longer a number; nothing is saved
    then.
    """
    place_on = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    found = _prepare_output(config, output, resume)
    train_text, validation_text = _read_text(config, corpus, token_folder or output / "tokens", workers)
    run = Run(config, train_text, place_on)
    if found is not None:
        run.restore(snapshot.read(found))
    journal = Journal(output / "metrics.jsonl", first_step=run.step)
    scalars = tensorboard(output / "tensorboard") if draw_curves else None
    validation = None
    run.progress.start()
    while run.step < config.steps:
        run.advance(on_forward)
        last = run.step == config.steps
        validate = last or run.step % config.validate_every == 0
        save = last or run.step % config.checkpoint_every == 0
        if not (validate or save or run.step % config.report_every == 0):
            continue
        run.progress.pause()
        run.stop_if_not_a_number()
        report = run.progress.report()
        if validate and validation_text:
            validation = run.validate(validation_text)
            report = replace(report, validation=validation)
        journal.write(report)
        if scalars is not None:
            draw(scalars, report)
        if on_step is not None:
            on_step(report)
        if save:
            snapshot.write(output, run.freeze(), keep=config.keep_checkpoints)
        run.progress.start()
    if scalars is not None:
        scalars.close()
    return Trained(run.model, run.step, validation)


class Run:
    """The state of a run that changes: the model, its optimizer, the place in the text, and the step."""

    def __init__(self, config: TrainConfig, text: tuple[TokenShard, ...], device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.seed)
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        with torch.device(device):
            ops = GROUPED if device.type == "cuda" else REFERENCE
            self.model = Transformer(config.model, ops=ops).init_weights(seed=config.seed)
        # The masters are drawn in float32; the model then holds them rounded.
        self.optimizer = Optimizer(self.model, config, dtype=dtype)
        self.objective = objective(self.model, config, fuse=device.type == "cuda")
        self.packers = [_packer(config, phase, text) for phase in config.phases]
        self.step = 0
        self.place = self.packer.start()
        self.progress = Progress(config, device)

    @property
    def packer(self) -> Packer:
        """The packer of the phase that the next step belongs to."""
        return self.packers[self.config.phase_at(self.step)]

    def advance(self, on_forward: OnForward | None) -> None:
        """One optimizer step over ``accumulate`` forwards; waits for nothing on the device."""
        packer, count = self.packer, self.config.accumulate
        if self.step and packer is not self.packers[self.config.phase_at(self.step - 1)]:
            self.place = packer.enter(self.place)
        began = self.place
        loss = cross_entropy = balance = z = load_LE = torch.zeros((), device=self.device)
        tokens = seen = 0
        for _ in range(count):
            packed, self.place = packer.pack(self.place)
            tokens, seen = tokens + packed.num_tokens, seen + packed.num_seen
            found = self.objective(packed.to(self.device))
            found.loss.backward()
            self.optimizer.collect(1 / count)
            loss = loss + found.loss.detach() / count
            cross_entropy = cross_entropy + found.cross_entropy / count
            balance = balance + found.balance_L.mean() / count
            z = z + found.z_L.mean() / count
            load_LE = load_LE + found.load_LE
        norm = self.optimizer.step(rate_at(self.step, self.config))
        self.step += 1
        measured = Measured(self.step, began, loss, cross_entropy, balance, z, norm)
        self.progress.add(measured, load_LE, num_tokens=tokens, num_seen=seen)
        if on_forward is not None:
            on_forward(forward_of(self.step, packed, packer, found.routings))

    def stop_if_not_a_number(self) -> None:
        """Raises TrainingStopped, naming the batch, when a step since the last report went wrong."""
        bad = self.progress.first_not_a_number()
        if bad is not None:
            packer = self.packers[self.config.phase_at(bad.step - 1)]
            packed, _ = packer.pack(bad.place)
            loss, norm = float(bad.loss), float(bad.norm)
            raise TrainingStopped(
                f"the loss of step {bad.step} is {loss} and its gradient's norm {norm}; its batch holds "
                f"{packer.describe(packed)}; nothing was saved since the last checkpoint: lower the learning "
                "rate or look at these documents, then go on with --resume"
            )

    def validate(self, text: tuple[TokenShard, ...]) -> Evaluation:
        """Scores the first ``validation_tokens`` of each domain, in windows as long as the phase's pieces."""
        context = self.packers[self.config.phase_at(self.step - 1)].context
        tokens = self.config.validation_tokens
        return evaluate(
            self.model, text, context=context, domain_tokens=tokens, forward_tokens=self.config.forward_tokens
        )

    def freeze(self) -> Snapshot:
        """Everything that the next step depends on."""
        state: dict[str, Any] = {
            "config": fingerprint(self.config),
            "place": dataclasses.asdict(self.place),
            "domains": self.packer.domains,
            "tokens": self.progress.tokens,
            "seconds": self.progress.seconds,
        }
        random = {"random.cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return Snapshot(self.step, self.optimizer.masters, self.optimizer.tensors() | random, state)

    def restore(self, saved: Snapshot) -> None:
        """Goes back to where ``saved`` was. Raises ConfigError when the recipe or the corpus is another one."""
        _check_same(fingerprint(self.config), saved.state["config"])
        if list(self.packer.domains) != saved.state["domains"]:
            raise ConfigError(
                f"the run was begun on the domains {', '.join(saved.state['domains'])}, the corpus has "
                f"{', '.join(self.packer.domains)}: give the corpus it was begun with"
            )
        self.optimizer.restore(dict(saved.masters), dict(saved.optimizer))
        self.place = Place(**{name: tuple(part) for name, part in saved.state["place"].items()})
        self.step = saved.step
        self.progress.tokens, self.progress.seconds = saved.state["tokens"], saved.state["seconds"]
        torch.set_rng_state(saved.optimizer["random.cpu"])
        if self.device.type == "cuda" and "random.cuda" in saved.optimizer:
            torch.cuda.set_rng_state(saved.optimizer["random.cuda"], self.device)


def _packer(config: TrainConfig, phase: Phase, text: tuple[TokenShard, ...]) -> Packer:
    shares = domain_shares(
        text,
        mix_power=config.mix_power,
        chat=CHAT,
        chat_share=config.chat_share,
        weights=dict(phase.domain_weights),
    )
    context = phase.context or config.model.context_length
    return Packer(text, shares, num_tokens=config.forward_tokens, context=context, seed=config.seed)


# What may change between a run and its resumption: nothing that a step computes.
_FREE = ("tokenizer", "report_every", "validate_every", "validation_tokens", "checkpoint_every", "keep_checkpoints")


def fingerprint(config: TrainConfig) -> dict[str, Any]:
    """The settings that decide what is computed, as plain values."""
    found: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return {name: value for name, value in found.items() if name not in _FREE}


def _check_same(now: dict[str, Any], then: dict[str, Any]) -> None:
    for name, value in now.items():
        if value != then.get(name):
            raise ConfigError(
                f"the run was begun with {name} {then.get(name)!r}, the recipe now has {value!r}: "
                "put it back, or train into another folder"
            )


def _prepare_output(config: TrainConfig, output: Path, resume: bool) -> Path | None:
    """Makes the folder; returns the checkpoint to go on from. Raises ConfigError rather than mix two runs."""
    output.mkdir(parents=True, exist_ok=True)
    held = snapshot.complete(output)
    if held and not resume:
        raise ConfigError(f"{output} holds a run with {held[-1].name}: go on with --resume, or choose another folder")
    if not held:
        return None
    return held[-1]


def _read_text(
    config: TrainConfig, corpus: Path, folder: Path, workers: int
) -> tuple[tuple[TokenShard, ...], tuple[TokenShard, ...]]:
    """The tokens of the train split and, where there is one, of the validation split."""
    encoder = Encoder.load(config.tokenizer)
    if encoder.vocab_size > config.model.vocab_size:
        raise ConfigError(
            f"the tokenizer {config.tokenizer} has {encoder.vocab_size} ids, the model's vocab_size is "
            f"{config.model.vocab_size}: make the model's at least as large"
        )
    chats = config.chat_share > 0
    text = tokenise(shards(corpus, "train"), config.tokenizer, folder, chats=chats, workers=workers)
    held_out = shards(corpus, "validation", required=False)
    return text, tokenise(held_out, config.tokenizer, folder, workers=workers)
