"""Runs: from what is asked to figures; everything is checked first, and what is not right is not timed."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from octavo.bench.check import Checker
from octavo.bench.device_rates import best_of, measure_rates
from octavo.bench.driving import decode_limits
from octavo.bench.figures import Figure, Phase, origin, spread_of
from octavo.bench.measures import (
    MOST_LOOKED_AT,
    WARM_STEPS,
    Task,
    Tell,
    Timed,
    measure_decode,
    measure_layer,
    measure_prefill,
    measure_throughput,
    turns_of,
)
from octavo.bench.roofline import Rates, Widths, step_cost
from octavo.bench.startup import measure_startup
from octavo.bench.subject import Subject, make_model, widths_of
from octavo.bench.telemetry import measure_telemetry
from octavo.engine.capacity import plan_for
from octavo.errors import OctavoError, RequestError
from octavo.model import Transformer

Measure = Callable[[Transformer, Widths, Task, Tell], Timed]
MEASURES: dict[Phase, Measure] = {
    "decode": measure_decode,
    "prefill": measure_prefill,
    "throughput": measure_throughput,
    "layer": measure_layer,
}
# Rows that a check reads at the most; a dtype's errors show in far fewer.
MOST_CHECKED = 2048
SMALL_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A subject that was checked and is in memory, beside what its device was measured to do."""

    subject: Subject
    model: Transformer
    widths: Widths
    rates: Rates
    checks: tuple[str, ...]


def check_tasks(subject: Subject, phase: Phase, tasks: Sequence[Task]) -> tuple[str, ...]:
    """What the check of each task found; raises OctavoError for a red one."""
    checker = Checker(subject)
    verdicts = []
    for task in tasks:
        for batch in batches_of(phase, task):
            found = checker.check(**batch)
            if not found.green:
                raise OctavoError(
                    f"{phase} at batch {task.batch}, context {task.context} is not timed, since its logits are wrong: "
                    f"{found.text}: please report it"
                )
        verdicts.append(found.text)
    return tuple(verdicts)


def batches_of(phase: Phase, task: Task) -> list[dict[str, int]]:
    """The batches, as Checker.check takes them, by which a task is checked: the sizes that it will run at."""
    decoding = {"size": task.batch, "start": max(0, task.context - 1), "new": 1}
    new = min(task.context, MOST_CHECKED)
    reading = {"size": max(1, min(task.batch, MOST_CHECKED // max(1, new))), "start": 0, "new": new}
    match phase:
        case "decode":
            return [decoding]
        case "layer" if task.batch <= SMALL_BATCH:
            return [{"size": task.batch, "start": 15, "new": 1}]
        case "layer":
            return [{"size": 1, "start": 0, "new": min(task.batch, MOST_CHECKED)}]
        case "throughput":
            return [{**decoding, "size": min(task.batch, SMALL_BATCH)}, reading]
        case _:
            return [reading]


def _check_length(subject: Subject, phase: Phase, task: Task) -> None:
    grown = task.steps // 2 + 2 * WARM_STEPS + min(task.steps, MOST_LOOKED_AT)
    if phase == "decode" and task.context <= grown:
        raise RequestError(
            f"context {task.context} would be outgrown by the {grown} steps up to where it is to hold: "
            "raise --context or lower --steps"
        )
    longest = {
        "decode": task.context + task.steps // 2 + 2,
        "throughput": task.context + task.context // 2 + task.steps,
        "prefill": task.context + 1,
    }.get(phase, 0)
    most = subject.config.context_length
    if longest > most:
        raise RequestError(
            f"context {task.context} with {task.steps} steps comes to {longest} positions, but {subject.name} has "
            f"{most}: lower --context or --steps"
        )


def prepare(subject: Subject, phase: Phase, tasks: Sequence[Task]) -> Run:
    """Checks, measures the device, and makes the model.

    Raises RequestError for an impossible task, OverCapacity where there is no room, OctavoError for a red check.
    """
    if phase == "layer":
        if not subject.config.is_sparse:
            raise RequestError(f"{subject.name} is dense and has no layer of experts: name a sparse shape")
        turns = turns_of(subject.config, subject.dtype.itemsize)
        # A layer's figure needs no others than those that take turns, and those of a shape, whatever its weights are.
        subject = replace(
            subject,
            config=replace(subject.config, num_layers=turns),
            plea=replace(subject.plea, random_weights=True),
        )
    for task in tasks:
        _check_length(subject, phase, task)
    limits = max(
        (decode_limits(subject.config, batch=t.batch, context=t.context, steps=t.steps) for t in tasks),
        key=lambda each: each.num_pages or 0,
    )
    if phase == "layer":
        limits = replace(limits, num_pages=2)
    # Before anything is made, the check's own models included.
    plan_for(subject.config, limits, dtype=subject.dtype, device=subject.device).require_room()
    checks = check_tasks(subject, phase, tasks)
    _let_go(subject)
    rates = measure_rates(subject.device, subject.dtype)
    _let_go(subject)
    model = make_model(subject, limits)
    return Run(subject=subject, model=model, widths=widths_of(model, subject), rates=rates, checks=checks)


def figures_of(run: Run, phase: Phase, tasks: Sequence[Task], tell: Tell) -> tuple[list[Figure], Rates]:
    """Measures every task; ``tell`` hears the number of steps done of each. Returns the device's rates as well."""
    is_sparse = run.subject.config.is_sparse
    asked = [task if is_sparse else replace(task, telemetry="off") for task in tasks]
    found = []
    for task in asked:
        found.append(MEASURES[phase](run.model, run.widths, task, tell))
        _let_go(run.subject)
    rates = _rates_now(run)
    # A layer by itself tells nobody anything, and has no context.
    quiet: dict[str, Any] = {"context": 0, "telemetry": "off"} if phase == "layer" else {}
    return [
        Figure(
            **{**_facts(run.subject, task), **quiet},
            phase=phase,
            experts_touched=timed.touched,
            tokens_per_second=timed.speed,
            roofline=timed.roofline(rates),
            spread=spread_of(timed.seconds),
            check=check,
        )
        for task, check, timed in zip(asked, run.checks, found, strict=True)
    ], rates


def telemetry_figures(run: Run, tasks: Sequence[Task], tell: Tell) -> tuple[list[Figure], Rates]:
    """Two figures a task, with telemetry and without it, whose check says what it costs; and the device's rates."""
    if not run.subject.config.is_sparse:
        raise RequestError(f"{run.subject.name} is dense and has no routing to tell: name a sparse shape")
    found = []
    for task in tasks:
        found.append(measure_telemetry(run.model, task, tell))
        _let_go(run.subject)
    rates = _rates_now(run)
    figures = []
    for task, check, paired in zip(tasks, run.checks, found, strict=True):
        chunks = [(task.context - 1, 1)] * task.batch
        cost = step_cost(run.subject.config, run.widths, chunks, heads=task.batch, touched=paired.touched)
        for telemetry, seconds in (("on", paired.with_it), ("off", paired.without)):
            figures.append(
                Figure(
                    **{**_facts(run.subject, task), "telemetry": telemetry},
                    phase="decode",
                    experts_touched=paired.touched,
                    tokens_per_second=task.batch / statistics.median(seconds),
                    roofline=task.batch / cost.seconds(rates),
                    spread=spread_of(seconds),
                    check=f"{check}; {paired.text}",
                )
            )
    return figures, rates


def _rates_now(run: Run) -> Rates:
    """The best of what the device did before and does after: where it is shared, one moment may be a bad one."""
    return best_of(run.rates, measure_rates(run.subject.device, run.subject.dtype))


def startup_figures(subject: Subject, repeats: int, tell: Tell) -> Iterator[Figure]:
    """Two figures, of a cold cache of kernels and of a warm one: their speed is one token a start-up."""
    started = measure_startup(subject.plea, repeats, tell)
    task = Task(batch=1, context=0, steps=repeats, telemetry="on" if subject.config.is_sparse else "off")
    for which, seconds in (("cold", started.cold), ("warm", started.warm)):
        yield Figure(
            **_facts(subject, task),
            phase="startup",
            experts_touched=None,
            tokens_per_second=1 / statistics.median(seconds),
            roofline=None,
            spread=spread_of(seconds),
            check=f"green: {which} kernel cache; every start gave token {started.token}",
        )


def _facts(subject: Subject, task: Task) -> dict[str, Any]:
    return {
        "shape": subject.name,
        "weights": subject.weights,
        "batch": task.batch,
        "context": task.context,
        "telemetry": task.telemetry,
        **origin(subject.device),
    }


def _let_go(subject: Subject) -> None:
    """Gives what is not held any more back to the device, before the next large thing is made."""
    if subject.device.type == "cuda":
        torch.cuda.empty_cache()
