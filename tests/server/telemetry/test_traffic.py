"""Live traffic becomes a trace that is whole at any moment; nothing that happens to the disk reaches who is served."""

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.recorder import Rows
from octavo.analysis.store import RouteTrace
from octavo.analysis.store.vocabulary import read_words
from octavo.errors import TraceError
from octavo.server.telemetry.traffic import Passage, Spelling, Traffic

LAYERS, EXPERTS, CHOSEN = 2, 4, 2


def manifest(*, tokens: bool = False) -> TraceManifest:
    return TraceManifest(
        num_experts=EXPERTS,
        num_experts_per_tok=CHOSEN,
        layers=(0, 1),
        has_tokens=tokens,
        has_weights=True,
        source="octavo serve",
    )


def passage(name: str, *, length: int = 6, num_prompt: int = 4, domain: str = "chat") -> Passage:
    experts = np.tile(np.array([3, 1], np.int16), (length, LAYERS, 1))
    experts[-1] = -1
    weights = np.tile(np.array([0.75, 0.25], np.float32), (length, LAYERS, 1))
    rows = Rows(expert_TLK=experts, weight_TLK=weights)
    return Passage(domain=domain, name=name, token_ids=tuple(range(length)), rows=rows, num_prompt=num_prompt)


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, "it did not come to that within 20 s"
        time.sleep(0.01)


def names_in(path: Path) -> list[str]:
    return sorted(document.name for document in RouteTrace.open(path).documents())


def test_what_was_served_stands_in_the_trace(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traces", manifest)
    for name in ("a#0", "b#0"):
        traffic.put(passage(name))
    traffic.put(passage("c#0", domain="completions"))
    traffic.close()
    trace = RouteTrace.open(traffic.path)
    assert names_in(traffic.path) == ["a#0", "b#0", "c#0"]
    assert trace.domains == ("chat", "completions")
    assert traffic.counts == {"recorded": 3, "lost": 0}
    (chunk,) = trace.chunks(domains=["completions"], weights=True)
    assert chunk.phase_T.tolist() == [0, 0, 0, 0, 1, 1]
    assert chunk.flag_T.tolist() == [0, 0, 0, 0, 0, 4]
    assert chunk.expert_LTK[:, 0].tolist() == [[3, 1], [3, 1]]


def test_by_default_no_text_can_be_read(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path, manifest, spelling=Spelling(special_ids=frozenset({0}), bos_id=0))
    traffic.put(passage("a#0"))
    traffic.close()
    (chunk,) = RouteTrace.open(traffic.path).chunks(domains=["chat"])
    assert chunk.token_T is None
    assert read_words(traffic.path).pieces == {}
    assert chunk.flag_T[0] == 3, "that a token is a control token is known without its id"


def test_where_it_is_asked_for_the_text_is_there(tmp_path: Path) -> None:
    pieces = [b"<s>", b"a", b"b", b"c", b"d", b"e"]
    spelling = Spelling(special_ids=frozenset({0}), bos_id=0, pieces=pieces)
    traffic = Traffic(tmp_path, lambda: manifest(tokens=True), spelling=spelling)
    traffic.put(passage("a#0"))
    traffic.close()
    (chunk,) = RouteTrace.open(traffic.path).chunks(domains=["chat"])
    assert chunk.token_T is not None
    assert chunk.token_T.tolist() == [0, 1, 2, 3, 4, 5]
    assert read_words(traffic.path).pieces[3] == b"c"


def test_rows_come_to_the_disk_while_the_server_goes_on(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path, manifest, flush_seconds=0.05)
    traffic.put(passage("a#0"))
    wait_until(lambda: traffic.counts["recorded"] == 1)
    assert names_in(traffic.path) == ["a#0"]
    traffic.put(passage("b#0"))
    wait_until(lambda: traffic.counts["recorded"] == 2)
    assert names_in(traffic.path) == ["a#0", "b#0"]
    traffic.close()


def test_rows_come_to_the_disk_under_traffic_without_a_pause(tmp_path: Path) -> None:
    """The time to flush also comes when the queue is never empty."""
    traffic = Traffic(tmp_path, manifest, flush_seconds=0.05)
    deadline = time.monotonic() + 10
    number = 0
    while traffic.counts["recorded"] == 0 and time.monotonic() < deadline:
        traffic.put(passage(f"{number}#0"))
        number += 1
    assert traffic.counts["recorded"] > 0
    traffic.close()
    assert len(names_in(traffic.path)) == number - traffic.counts["lost"]


def test_a_trace_of_nothing_leaves_nothing(tmp_path: Path) -> None:
    Traffic(tmp_path, manifest).close()
    assert list(tmp_path.iterdir()) == []


def test_a_trace_that_is_long_enough_is_followed_by_another(tmp_path: Path) -> None:
    """What is known of a trace's documents lies in memory, which a server that runs for years must not fill."""
    traffic = Traffic(tmp_path, manifest, most_documents=3)
    for number in range(7):
        traffic.put(passage(f"{number}#0"))
    traffic.close()
    traces = list(tmp_path.iterdir())
    assert sorted(len(names_in(path)) for path in traces) == [1, 3, 3]
    assert sorted(name for path in traces for name in names_in(path)) == [f"{number}#0" for number in range(7)]
    assert not [path for trace in traces for path in trace.glob(".writing*")]
    assert traffic.counts == {"recorded": 7, "lost": 0}


def test_only_its_owner_can_read_a_trace(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path, manifest)
    assert traffic.path.stat().st_mode & 0o777 == 0o700
    traffic.close()


def test_two_servers_write_two_traces(tmp_path: Path) -> None:
    first, second = Traffic(tmp_path, manifest), Traffic(tmp_path, manifest)
    first.put(passage("a#0"))
    second.put(passage("a#0"))
    first.close()
    second.close()
    assert first.path != second.path
    assert names_in(first.path) == names_in(second.path) == ["a#0"]


def test_a_folder_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TraceError, match=r"--trace-dir .*file/traces cannot be written \(Not a directory\)"):
        Traffic(tmp_path / "file" / "traces", manifest)


def test_a_full_disk_loses_nothing_that_was_written_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = threading.Event()
    fsync = os.fsync

    def failing(handle: int) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    traffic = Traffic(tmp_path, manifest, flush_seconds=0.05, most_held=12)
    with caplog.at_level(logging.WARNING, "octavo.server"):
        traffic.put(passage("a#0"))
        wait_until(lambda: traffic.counts["recorded"] == 1)
        full.set()
        traffic.put(passage("b#0"))
        wait_until(lambda: "serving goes on" in caplog.text)
        assert names_in(traffic.path) == ["a#0"]
        # Two passages fit into what may be held; the rest is lost, and counted.
        for name in ("c#0", "d#0", "e#0"):
            traffic.put(passage(name))
        wait_until(lambda: traffic.counts["lost"] == 2)
        full.clear()
        wait_until(lambda: traffic.counts["recorded"] == 3)
    traffic.put(passage("f#0"))
    traffic.close()
    assert names_in(traffic.path) == ["a#0", "b#0", "c#0", "f#0"]
    assert traffic.counts == {"recorded": 4, "lost": 2}
    assert caplog.text.count("serving goes on") == 1
    assert "No space left on device" in caplog.text
    assert "the disk takes it again" in caplog.text


def test_a_disk_that_is_full_to_the_end_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    traffic = Traffic(tmp_path, manifest, flush_seconds=60)
    monkeypatch.setattr(os, "fsync", failing)
    traffic.put(passage("a#0"))
    traffic.close()
    assert traffic.counts == {"recorded": 0, "lost": 1}


def test_a_trace_that_could_not_be_begun_is_begun_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = threading.Event()
    fails.set()

    def reluctant() -> TraceManifest:
        if fails.is_set():
            raise TraceError("no room for a manifest")
        return manifest()

    traffic = Traffic(tmp_path, reluctant, flush_seconds=0.05)
    traffic.put(passage("a#0"))
    wait_until(lambda: traffic.counts["lost"] == 1)
    fails.clear()
    time.sleep(0.15)
    traffic.put(passage("b#0"))
    traffic.close()
    assert names_in(traffic.path) == ["b#0"]


def test_what_cannot_be_recorded_is_lost_alone(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path, manifest)
    bad = passage("bad#0")
    traffic.put(Passage(domain="chat", name="bad#0", token_ids=(1,), rows=bad.rows, num_prompt=1))
    traffic.put(passage("b#0"))
    traffic.close()
    assert names_in(traffic.path) == ["b#0"]
    assert traffic.counts == {"recorded": 1, "lost": 1}


def test_what_comes_faster_than_it_is_written_is_lost_and_waited_for_by_nobody(tmp_path: Path) -> None:
    gate = threading.Event()

    def slow() -> TraceManifest:
        gate.wait(20)
        return manifest()

    traffic = Traffic(tmp_path, slow, most_waiting=20)
    began = time.monotonic()
    for number in range(50):
        traffic.put(passage(f"{number}#0"))
    assert time.monotonic() - began < 1
    assert traffic.counts["lost"] >= 45
    gate.set()
    traffic.close()
    assert len(names_in(traffic.path)) + traffic.counts["lost"] == 50


def test_after_its_end_nothing_is_taken(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path, manifest)
    traffic.close()
    traffic.put(passage("a#0"))
    traffic.close()
    assert traffic.counts == {"recorded": 0, "lost": 1}


KILLED = """
import sys, time
from pathlib import Path
from octavo.server.telemetry.traffic import Traffic
from tests.server.telemetry.test_traffic import manifest, passage
traffic = Traffic(Path(sys.argv[1]), manifest, flush_seconds=0.02)
for number in range(10_000):
    traffic.put(passage(f"{number}#0"))
    time.sleep(0.002)
    if number % 10 == 0:
        print(traffic.counts["recorded"], flush=True)
"""


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    written = 0
    for line in child.stdout:
        written = int(line)
        if written >= 20:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    (path,) = tmp_path.iterdir()
    found = names_in(path)
    assert len(found) >= written >= 20
    assert {f"{number}#0" for number in range(written)} <= set(found)
    (chunk,) = RouteTrace.open(path).chunks(domains=["chat"])
    assert chunk.num_tokens == 6 * len(found)
