"""The engine is driven as LLM drives it; contexts that are made up are found, and what routes is real."""

import pytest
import torch

from octavo.bench.driving import Drive, decode_limits, first_length, start_decoding, touched_of
from octavo.bench.subject import make_model
from octavo.engine.config import EngineConfig
from octavo.model import Output
from octavo.routing import Routing
from tests.bench.conftest import MakeSubject


def test_a_made_up_context_is_remembered_and_not_read(subject: MakeSubject) -> None:
    found = subject()
    limits = decode_limits(found.config, batch=3, context=100, steps=10)
    model = make_model(found, limits)
    drive = start_decoding(model, limits, length=first_length(100, 10), steps=10, telemetry="on", seed=0)
    scheduler = drive.engine.scheduler
    assert scheduler.num_hit == 3 * (94 // 16) * 16
    assert [len(sequence.token_ids) for sequence in scheduler.running] == [96] * 3
    assert scheduler.num_preempted == 0
    keys = drive.engine.runner.cache.key_LPBGH
    page = scheduler.running[0].pages[0]
    assert float(keys[:, page].std()) == pytest.approx(0.02 * 32**0.5, rel=0.1)


def test_the_timed_steps_have_the_context_in_their_middle() -> None:
    before, steps = 36, 64
    first = first_length(512, steps, before=before)
    assert first + before + steps // 2 == 512
    assert first_length(10, 64) == 1


def test_a_model_that_remembers_nothing_reads_its_contexts(subject: MakeSubject, tiny) -> None:
    from dataclasses import replace

    found = subject(replace(tiny, sliding_window=16))
    limits = decode_limits(found.config, batch=2, context=40, steps=4)
    drive = start_decoding(make_model(found, limits), limits, length=38, steps=4, telemetry="off", seed=0)
    assert drive.engine.scheduler.num_hit == 0
    assert len(drive.engine.scheduler.running) == 2


def test_looking_notes_what_a_step_read_and_touched(subject: MakeSubject) -> None:
    found = subject()
    limits = EngineConfig(num_pages=20, max_num_seqs=2)
    drive = Drive(make_model(found, limits), limits)
    for length in (20, 7):
        drive.add(drive.prompt(length), 3, "on")
    drive.look(2)
    drive.step()
    (first, heads, touched), second = drive.looking.steps
    assert (first, heads) == (((0, 20), (0, 7)), 2)
    assert second[0] == ((20, 1), (7, 1))
    assert touched is not None
    assert 2 <= touched <= 8
    assert drive.looking.touched == (touched + second[2]) / 2
    assert sum(rows.count for rows in drive.kept) == 20 + 7 + 4
    assert drive.take_routing() > 0
    assert not drive.kept
    drive.end()
    assert not drive.engine.has_unfinished


def test_touched_is_the_mean_over_layers() -> None:
    def routing(*experts: list[int]) -> Routing:
        chosen = torch.tensor(experts)
        return Routing(torch.zeros(len(experts), 8), chosen, torch.ones(chosen.shape) / 2)

    logits = torch.zeros(2, 5)
    assert touched_of(Output(logits, (routing([0, 1], [0, 1]), routing([0, 1], [2, 7])))) == 3.0
    assert touched_of(Output(logits, ())) is None
