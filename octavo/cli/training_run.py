"""A training run as a person follows it: the recipe with its changes, live progress, and what came of it."""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from octavo.api.opening import choose_device
from octavo.checkpoint import save_model
from octavo.cli.escaping import escape_line
from octavo.cli.exits import complain
from octavo.cli.progress import error_console
from octavo.cli.screen import Screen, figures
from octavo.cli.sizes import short
from octavo.training.config import TrainConfig
from octavo.training.metrics import StepReport
from octavo.training.snapshot import complete
from octavo.training.train import OnForward, OnStep, Trained, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run reads, writes and computes."""

    corpus: Path
    output: Path
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that reached its end, and the model folder that it wrote."""

    trained: Trained
    place: Place
    model: Path
    last: StepReport | None

    def document(self) -> dict[str, Any]:
        """Everything as one document for programs."""
        return {
            "output": str(self.place.output),
            "model": str(self.model),
            "step": self.trained.step,
            "last_report": self.last.record() if self.last is not None else None,
            "validation": _validation(self.trained),
        }

    def show(self, screen: Screen) -> None:
        """Writes the validation of each domain, and where the model is."""
        validation = self.trained.validation
        if validation is not None:
            table = figures("domain", "bits a byte", "nats a token")
            for each in validation.domains:
                table.add_row(escape_line(each.domain), f"{each.bits_per_byte:.4f}", f"{each.loss:.4f}")
            table.add_section()
            table.add_row("mean", f"{validation.bits_per_byte:.4f}", f"{validation.loss:.4f}", style="bold")
            screen.show(table)
        screen.write(f"step {self.trained.step:,}: {escape_line(str(self.model))}\n")


def changed(config: TrainConfig, *, steps: int | None, **changes: Any) -> TrainConfig:
    """The recipe with what the flags say in its place; raises ConfigError for a value that cannot be."""
    config = dataclasses.replace(config, **{name: value for name, value in changes.items() if value is not None})
    return config if steps is None else dataclasses.replace(config, tokens=steps * config.batch_tokens)


@contextmanager
def recording(config: TrainConfig, folder: Path | None, *, every: int, resume: bool) -> Iterator[OnForward | None]:
    """What the run's forwards go to: a trace where one is wanted."""
    if folder is None:
        yield None
        return
    from octavo.collect.steps import recorded_steps

    with recorded_steps(folder, config, every=every, resume=resume) as on_forward:
        yield on_forward


def run(
    config: TrainConfig,
    place: Place,
    *,
    resume: bool,
    workers: int,
    draw_curves: bool,
    on_forward: OnForward | None = None,
) -> Finished:
    """Trains, telling how it goes on stderr, and writes the model as a Hugging Face folder into the output."""
    device = choose_device(place.device)
    reports: list[StepReport] = []
    try:
        with _followed(config, reports) as tell:
            trained = train(
                config,
                corpus=place.corpus,
                output=place.output,
                resume=resume,
                device=device,
                on_step=tell,
                on_forward=on_forward,
                draw_curves=draw_curves,
                workers=workers,
            )
    except KeyboardInterrupt:
        _say_where_it_stopped(place.output, reports)
        raise
    folder = place.output / "model"
    save_model(trained.model, folder, tokenizer_from=config.tokenizer, overwrite=True)
    return Finished(trained=trained, place=place, model=folder, last=reports[-1] if reports else None)


@contextmanager
def _followed(config: TrainConfig, reports: list[StepReport]) -> Iterator[OnStep]:
    """Shows each report: as a bar in a terminal, as a line elsewhere."""
    console = error_console()
    if not console.is_terminal:

        def tell_line(report: StepReport) -> None:
            reports.append(report)
            print(f"step {report.step:,}/{report.steps:,}  {describe(report)}", file=sys.stderr, flush=True)

        yield tell_line
        return
    shown = TextColumn("{task.fields[shown]}", table_column=Column(no_wrap=True))
    step = TextColumn("{task.description}", table_column=Column(no_wrap=True))
    with Progress(step, BarColumn(bar_width=None), shown, console=console) as progress:
        task = progress.add_task("reading the corpus", total=None, shown="")

        def tell_bar(report: StepReport) -> None:
            # The newest validation stays in sight until the next one.
            known = report.validation or (reports[-1].validation if reports else None)
            reports.append(dataclasses.replace(report, validation=known))
            at = f"step {report.step:,}/{report.steps:,}"
            progress.update(
                task, description=at, completed=report.step, total=report.steps, shown=describe(reports[-1])
            )

        yield tell_bar


def describe(report: StepReport) -> str:
    """One report in a line: loss, validation in bits a byte, speed, load and the time left."""
    parts = [f"loss {report.cross_entropy:.3f}"]
    if report.validation is not None:
        parts.append(f"val {report.validation.bits_per_byte:.3f}")
    parts.append(f"{short(report.tokens_per_second)} tok/s")
    if report.mfu is not None:
        parts.append(f"MFU {report.mfu:.0%}")
    if report.expert_share_LE is not None:
        shares = [share for share_E in report.expert_share_LE for share in share_E]
        parts.append(f"load {min(shares):.0%}–{max(shares):.0%}")
    parts.append(f"{_clock(report.seconds_left)} left")
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _say_where_it_stopped(output: Path, reports: list[StepReport]) -> None:
    held = complete(output)
    stopped = f"interrupted after step {reports[-1].step:,}" if reports else "interrupted before the first report"
    saved = f"the newest checkpoint is {held[-1].name}, go on with --resume" if held else "nothing was saved yet"
    complain(f"{stopped}: {saved}")


def _validation(trained: Trained) -> dict[str, Any] | None:
    if trained.validation is None:
        return None
    domains = {
        each.domain: {"bits_per_byte": each.bits_per_byte, "loss": each.loss} for each in trained.validation.domains
    }
    mean = {"bits_per_byte": trained.validation.bits_per_byte, "loss": trained.validation.loss}
    return {**mean, "domains": domains}
