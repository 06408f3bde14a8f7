"""The work of ``octavo bench decode`` and its like: from flags to figures, and from figures to a table and a file."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table

from octavo.api.opening import use_one_thread_if_small
from octavo.bench.figures import Figure, Phase, surroundings
from octavo.bench.measures import Task, layer_flop
from octavo.bench.roofline import Rates
from octavo.bench.runs import Run, figures_of, prepare, startup_figures, telemetry_figures
from octavo.bench.subject import Plea, Subject, find_subject
from octavo.cli.engine_bench import OnOff, ResultFlags, SubjectFlags
from octavo.cli.escaping import escape_line
from octavo.cli.exits import opening_model
from octavo.cli.progress import count_bar, spinner
from octavo.cli.screen import figures, open_screen, print_json
from octavo.cli.sizes import short
from octavo.errors import RequestError

LARGEST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The work, as the flags spell it."""

    batch: str
    context: str
    steps: int
    telemetry: OnOff
    max_num_batched_tokens: int = 2048


def measure(phase: Phase, flags: SubjectFlags, asked: Asked, result: ResultFlags) -> None:
    """Measures one phase at every batch and context, and shows and keeps what came out."""
    tasks = tasks_of(asked, seed=flags.seed)
    run = _prepare(flags, phase, tasks)
    with _telling(len(tasks) * (3 if phase == "throughput" else asked.steps)) as tell:
        found, rates = figures_of(run, phase, tasks, tell)
    _tell_all(found, result, run.subject, rates)


def measure_telemetry(flags: SubjectFlags, asked: Asked, result: ResultFlags) -> None:
    """Measures what telemetry costs."""
    tasks = tasks_of(asked, seed=flags.seed)
    run = _prepare(flags, "decode", [replace(task, steps=2 * task.steps) for task in tasks])
    with _telling(len(tasks) * asked.steps) as tell:
        found, rates = telemetry_figures(run, tasks, tell)
    _tell_all(found, result, run.subject, rates)


def measure_startup(flags: SubjectFlags, repeats: int, result: ResultFlags) -> None:
    """Measures starts."""
    subject = _find(flags)
    with _telling(2 * repeats) as tell:
        found = list(startup_figures(subject, repeats, tell))
    _tell_all(found, result, subject, None)


def tasks_of(asked: Asked, *, seed: int) -> list[Task]:
    """One task for each batch and context."""
    return [
        Task(
            batch=batch,
            context=context,
            steps=asked.steps,
            telemetry=asked.telemetry,
            seed=seed,
            max_num_batched_tokens=asked.max_num_batched_tokens,
        )
        for context in numbers(asked.context, "--context")
        for batch in numbers(asked.batch, "--batch")
    ]


def numbers(text: str, flag: str) -> list[int]:
    """The numbers of a list with commas; raises RequestError for what is none."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 1 <= int(part) <= LARGEST for part in parts):
        raise RequestError(f"{flag} is {text!r:.80}: want whole numbers from 1 to {LARGEST:,}, with commas between")
    return [int(part) for part in parts]


def _find(flags: SubjectFlags) -> Subject:
    plea = Plea(
        shape=flags.shape,
        random_weights=flags.random_weights,
        device=flags.device,
        dtype=flags.dtype,
        seed=flags.seed,
    )
    with opening_model():
        subject = find_subject(plea)
    use_one_thread_if_small(subject.config, subject.device)
    return subject


def _prepare(flags: SubjectFlags, phase: Phase, tasks: Sequence[Task]) -> Run:
    subject = _find(flags)
    with spinner(f"checking {subject.name}, measuring the device, making the model"):
        return prepare(subject, phase, tasks)


@contextmanager
def _telling(total: int) -> Iterator[Callable[[int], None]]:
    """Shows how much is done of so many steps, from the number of each task's that are."""
    before = last = 0
    with count_bar("steps") as bar:

        def tell(done: int) -> None:
            nonlocal before, last
            if done < last:  # the next task has begun
                before += last
            last = done
            bar("", min(total, before + done), total)

        yield tell


def _tell_all(found: Sequence[Figure], result: ResultFlags, subject: Subject, rates: Rates | None) -> None:
    rows = [figure.row() for figure in found]
    if result.output is not None:
        result.output.parent.mkdir(parents=True, exist_ok=True)
        result.output.write_text(json.dumps(_document(rows, subject, rates), indent=1) + "\n", encoding="utf-8")
    if result.json:
        print_json(rows)
        return
    screen = open_screen(no_color=result.no_color)
    screen.show("", *_headline(found[0], rates), "", table_of(found, subject), "")
    screen.show(*(f"{_place(figure)}: {figure.check}" for figure in found))
    if result.output is not None:
        screen.write(f"Figures in {escape_line(str(result.output))}\n")


def _document(rows: list[dict[str, Any]], subject: Subject, rates: Rates | None) -> dict[str, Any]:
    """What a file of results holds: the rows, and all that they depend on."""
    measured = None if rates is None else {"read": rates.read, "copy": rates.copy, "matrix": rates.matrix}
    return {
        "benchmark": " ".join(["octavo", *sys.argv[1:]]) if len(sys.argv) > 1 else "octavo bench",
        **surroundings(subject.device),
        "random_weights": subject.plea.random_weights,
        "rates": measured,
        "rows": rows,
    }


def _headline(first: Figure, rates: Rates | None) -> Iterable[str]:
    yield f"{escape_line(first.shape)}, {first.weights}, on {first.device}, commit {first.commit:.12}, {first.date}"
    if rates is not None:
        yield (
            f"This device reads {short(rates.read, 'B/s')}, copies {short(rates.copy, 'B/s')} (read plus written) and "
            f"multiplies {short(rates.matrix, 'FLOP/s')}."
        )


def _place(figure: Figure) -> str:
    if figure.phase == "startup":
        return "startup"
    where = f"{figure.phase} {figure.batch}"
    return f"{where}, {figure.context}, telemetry {figure.telemetry}" if figure.context else where


def table_of(found: Sequence[Figure], subject: Subject) -> Table:
    """One line a figure."""
    is_layer = found[0].phase == "layer"
    columns = ["context", "experts", "telemetry", "tokens/s", "ms", "roofline", "share", "± %"]
    table = figures(found[0].phase, *(["tokens"] if is_layer else ["batch"]), *columns)
    if is_layer:
        table.add_column("FLOP/s", justify="right")
    for figure in found:
        touched = "–" if figure.experts_touched is None else f"{figure.experts_touched:.2f}"
        speed = f"{figure.tokens_per_second:,.1f}" if figure.tokens_per_second < 1000 else None
        cells = [
            figure.weights,
            f"{figure.batch:,}",
            f"{figure.context:,}" if figure.context else "–",
            touched,
            figure.telemetry,
            "–" if figure.phase == "startup" else speed or f"{figure.tokens_per_second:,.0f}",
            f"{milliseconds(figure):,.2f}",
            "–" if figure.roofline is None else f"{figure.roofline:,.0f}",
            "–" if figure.share is None else f"{figure.share:.1%}",
            f"{100 * figure.spread:.1f}",
        ]
        if is_layer:
            cells.append(short(layer_flop(subject.config, figure.batch) * figure.tokens_per_second / figure.batch))
        table.add_row(*cells)
    return table


def milliseconds(figure: Figure) -> float:
    """Milliseconds of a step, of a reading, of a layer or of a start; of throughput, of a token."""
    tokens = {"prefill": figure.batch * figure.context, "throughput": 1}.get(figure.phase, figure.batch)
    return 1e3 * tokens / figure.tokens_per_second
