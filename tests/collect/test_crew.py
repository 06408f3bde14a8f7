"""Crew: processes that share work say things to each other; one alone needs nobody."""

import json
import os
from pathlib import Path

import pytest

from octavo.collect.crew import Crew, muster
from tests.collect import processes


def test_alone_a_process_takes_everything_and_waits_for_no_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with muster() as crew:
        assert crew == Crew(rank=0, size=1)
        crew.wait()
        assert crew.gather("x") == ["x"]
        assert crew.leads and all(crew.takes(place) for place in range(5))


def test_every_piece_of_work_has_one_taker() -> None:
    crews = [Crew(rank=rank, size=3) for rank in range(3)]
    assert [[crew.rank for crew in crews if crew.takes(place)] for place in range(7)] == [[n % 3] for n in range(7)]
    assert [crew.leads for crew in crews] == [True, False, False]


def test_processes_hear_each_other_in_the_order_of_their_ranks(tmp_path: Path) -> None:
    def work(rank: int) -> None:
        with muster() as crew:
            crew.wait()
            told = crew.gather((rank, crew.place_on_machine))
            (tmp_path / f"{rank}.json").write_text(json.dumps(told))

    assert processes.together(2, work) == [0, 0]
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)] == [[[0, 0], [1, 1]]] * 2
    assert "RANK" not in os.environ
