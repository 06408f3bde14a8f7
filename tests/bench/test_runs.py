"""Everything is checked first: what is wrong, or cannot be, is not timed."""

from dataclasses import replace

import pytest

from octavo.bench import runs
from octavo.bench.figures import Figure
from octavo.bench.measures import Task
from octavo.bench.runs import batches_of, figures_of, prepare, startup_figures, telemetry_figures
from octavo.bench.startup import Started
from octavo.config import mixtral_8x22b
from octavo.errors import OctavoError, OverCapacity, RequestError
from octavo.ops import REFERENCE
from tests.bench.conftest import MakeSubject

TASK = Task(batch=2, context=40, steps=4)
pytestmark = pytest.mark.usefixtures("small_rates")


def silent(done: int) -> None:
    """Hears nothing."""


@pytest.mark.parametrize("phase", ["decode", "prefill", "throughput", "layer"])
def test_every_phase_gives_a_figure(subject: MakeSubject, phase) -> None:
    run = prepare(subject(), phase, [TASK])
    (figure,), rates = figures_of(run, phase, [TASK], silent)
    assert rates.read >= run.rates.read
    assert isinstance(figure, Figure)
    assert (figure.phase, figure.batch, figure.weights) == (phase, 2, "fp32")
    assert (figure.context, figure.telemetry) == ((0, "off") if phase == "layer" else (40, "on"))
    assert figure.check.startswith("green: ")
    assert figure.experts_touched is not None
    assert figure.roofline is not None
    assert figure.tokens_per_second > 0


def test_what_is_wrong_is_not_timed(subject: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(subject(), ops=replace(REFERENCE, experts=lambda *given: 2 * REFERENCE.experts(*given)))
    monkeypatch.setattr(runs, "make_model", lambda *_: pytest.fail("it was made all the same"))
    with pytest.raises(OctavoError, match=r"decode at batch 2, context 40 is not timed.*red: error"):
        prepare(broken, "decode", [TASK])


def test_a_context_that_its_own_steps_outgrow_is_refused(subject: MakeSubject) -> None:
    with pytest.raises(RequestError, match="context 40 would be outgrown by the 90 steps"):
        prepare(subject(), "decode", [replace(TASK, steps=100)])


def test_what_has_no_room_is_refused_before_even_the_check_is_made(
    subject: MakeSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "Checker", lambda *_: pytest.fail("it was made all the same"))
    with pytest.raises(OverCapacity, match="more memory than there is: weights 562 GB"):
        prepare(subject(mixtral_8x22b()), "decode", [TASK])


def test_a_context_past_the_models_is_refused(subject: MakeSubject) -> None:
    with pytest.raises(RequestError, match=r"context 511 with 4 steps comes to .* but mini has 512"):
        prepare(subject(), "decode", [replace(TASK, context=511)])


def test_a_dense_model_has_no_experts_to_touch(subject: MakeSubject, tiny) -> None:
    dense = subject(replace(tiny, num_experts=0, num_experts_per_tok=0))
    run = prepare(dense, "decode", [TASK])
    (figure,), _ = figures_of(run, "decode", [TASK], silent)
    assert (figure.experts_touched, figure.telemetry) == (None, "off")
    with pytest.raises(RequestError, match="dense"):
        prepare(dense, "layer", [TASK])
    with pytest.raises(RequestError, match="dense"):
        telemetry_figures(run, [TASK], silent)


def test_telemetry_gives_a_figure_with_it_and_one_without(subject: MakeSubject) -> None:
    run = prepare(subject(), "decode", [TASK])
    (on, off), _ = telemetry_figures(run, [TASK], silent)
    assert (on.telemetry, off.telemetry) == ("on", "off")
    assert on.check == off.check
    assert "on/off" in on.check
    assert on.roofline == off.roofline


def test_starts_give_a_cold_figure_and_a_warm_one(subject: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "measure_startup", lambda *_: Started(cold=(4.0,), warm=(2.0,), token=5))
    cold, warm = startup_figures(subject(), 1, silent)
    assert (cold.tokens_per_second, warm.tokens_per_second) == (0.25, 0.5)
    assert "cold kernel cache" in cold.check
    assert warm.phase == "startup"


def test_checks_are_made_at_the_sizes_that_run() -> None:
    assert batches_of("decode", replace(TASK, batch=64, context=512)) == [{"size": 64, "start": 511, "new": 1}]
    assert batches_of("prefill", replace(TASK, batch=8, context=4096)) == [{"size": 1, "start": 0, "new": 2048}]
    assert batches_of("layer", replace(TASK, batch=256)) == [{"size": 256, "start": 15, "new": 1}]
    assert batches_of("layer", replace(TASK, batch=16384)) == [{"size": 1, "start": 0, "new": 2048}]
