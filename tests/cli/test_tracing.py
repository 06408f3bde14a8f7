"""A trace being made: the limits, the GPUs and what is shown of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from octavo.cli.flags import ModelFlags
from octavo.cli.screen import open_screen
from octavo.cli.tracing import Wishes, document, on_own_gpu, show
from octavo.collect.crew import Crew
from octavo.collect.facts import Columns
from octavo.collect.texts import Fields
from octavo.collect.tracing import Traced
from octavo.collect.windows import Limits
from tests.analysis import synthetic


def wishes(context: int | None) -> Wishes:
    return Wishes(
        sources=[],
        fields=Fields(),
        columns=Columns(),
        context=context,
        max_tokens=9,
        max_tokens_per_domain=None,
        bos=True,
    )


def traced(**changes: object) -> Traced:
    documents = [synthetic.document([(0, 1), (1, 0)])]
    known = {
        "output": Path("run.route"),
        "manifest": synthetic.manifest_of(documents),
        "held": {"a": (2, 30), "b": (1, 10)},
        "num_bytes": 960,
        "fresh_documents": 3,
        "fresh_tokens": 40,
        "seconds": 2.0,
    }
    return Traced(**(known | changes))  # type: ignore[arg-type]


def test_the_context_is_the_models_own_where_none_is_asked_for() -> None:
    assert wishes(None).limits(64) == Limits(context=64, max_tokens=9)
    assert wishes(16).limits(64).context == 16


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ModelFlags()
    assert on_own_gpu(flags, Crew()) is flags
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    places = [on_own_gpu(flags, Crew(rank=n, size=4, place_on_machine=n)).device for n in range(4)]
    assert places == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert on_own_gpu(ModelFlags(device="cpu"), Crew(rank=1, size=4)).device == "cpu"


def test_domains_speed_and_size_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show(traced(), open_screen())
    out = capsys.readouterr().out
    assert "run.route: 24.0 bytes a token, 20 tokens a second\n" in out
    assert ["all", "3", "40"] in [line.split() for line in out.splitlines()]
    show(traced(fresh_documents=1, fresh_tokens=0), open_screen())
    assert "24.0 bytes a token (2 documents were there before)\n" in capsys.readouterr().out
    manifest = replace(traced().manifest, statistics_only=True)
    show(traced(manifest=manifest), open_screen())
    assert "run.route: counts, 960 B, 20 tokens a second\n" in capsys.readouterr().out


def test_programs_get_the_same() -> None:
    told = document(traced())
    assert told["domains"] == {"a": {"documents": 2, "tokens": 30}, "b": {"documents": 1, "tokens": 10}}
    assert (told["tokens"], told["documents"], told["bytes"]) == (40, 3, 960)
