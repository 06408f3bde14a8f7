"""``octavo trace``: texts in, a trace out, and one line for whatever is wrong."""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from octavo.analysis.accumulators import load
from octavo.analysis.store import RouteTrace, TraceWriter
from tests.cli.conftest import PROSE, Process, Run


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    (folder / "french").mkdir(parents=True)
    (folder / "french" / "a.txt").write_text(PROSE[2])
    packed = "".join(json.dumps({"text": PROSE[0], "kind": kind, "id": kind}) + "\n" for kind in "xyx").encode()
    (folder / "fable.test.jsonl.gz").write_bytes(gzip.compress(packed))
    return folder


def test_a_folder_becomes_a_trace(octavo: Run, folder: Path, texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.route"
    done = octavo("trace", texts, "--model", folder, "-o", output)
    assert done.exit_code == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["fable", "3"] in [row[:2] for row in rows] and ["french", "1"] in [row[:2] for row in rows]
    assert f"octavo report {output} -o report.html" in done.stdout
    found = RouteTrace.open(output)
    assert found.domains == ("fable", "french")
    assert (found.manifest.bos, found.manifest.context, found.manifest.has_weights) == ("tokenizer", 256, True)


def test_the_summary_is_one_document_for_programs(octavo: Run, folder: Path, texts: Path, tmp_path: Path) -> None:
    call = ("trace", texts, "--model", folder, "-o", tmp_path / "run.route", "--domain-field", "kind", "--json")
    refused = octavo(*call)
    assert refused.exit_code == 0, refused.stderr  # a text file has no fields, so it keeps its own domain
    told = json.loads(refused.stdout)
    assert {name: each["documents"] for name, each in told["domains"].items()} == {"french": 1, "x": 2, "y": 1}
    assert told["documents"] == told["fresh_documents"] == 4
    assert told["manifest"]["settings"]["domain_field"] == "kind"
    again = json.loads(octavo(*call).stdout)
    assert (again["fresh_documents"], again["tokens"]) == (0, told["tokens"])


def test_every_flag_shows_in_the_manifest(octavo: Run, folder: Path, texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.route"
    flags = ["--no-bos", "--no-weights", "--logits", "--nll", "--predictions", "--no-tokens", "--context", 16]
    done = octavo("trace", texts, "--model", folder, "-o", output, *flags, "--domain", "one", "--max-tokens", 50)
    assert done.exit_code == 0, done.stderr
    found = RouteTrace.open(output)
    manifest = found.manifest
    assert (manifest.bos, manifest.context) == ("never", 16)
    assert (manifest.has_weights, manifest.has_logits, manifest.has_nll) == (False, True, True)
    assert (manifest.has_predictions, manifest.has_tokens) == (True, False)
    assert found.domains == ("one",)
    assert found.num_tokens == 50
    assert not found.vocabulary()


def test_stdin_is_a_text(octavo: Run, folder: Path, tmp_path: Path) -> None:
    done = octavo("trace", "-", "--model", folder, "-o", tmp_path / "run.route", stdin=PROSE[0])
    assert done.exit_code == 0, done.stderr
    assert RouteTrace.open(tmp_path / "run.route").domains == ("stdin",)


def test_counts_can_be_kept_in_place_of_rows(octavo: Run, folder: Path, texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.route"
    done = octavo("trace", texts, "--model", folder, "-o", output, "--stats-only")
    assert done.exit_code == 0, done.stderr
    assert "run.route: counts, " in done.stdout
    assert load(output).domains == ("fable", "french")
    refused = octavo("trace", texts, "--model", folder, "-o", output, "--stats-only", "--nll")
    assert refused.exit_code == 2
    assert "keeps no rows" in refused.stderr


def test_a_trace_can_be_begun_anew(octavo: Run, folder: Path, texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.route"
    octavo("trace", texts, "--model", folder, "-o", output)
    refused = octavo("trace", texts, "--model", folder, "-o", output, "--context", 32)
    assert refused.exit_code == 2
    assert "context is 256 and 32" in refused.stderr
    done = octavo("trace", texts, "--model", folder, "-o", output, "--context", 32, "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert RouteTrace.open(output).manifest.context == 32


def test_an_interrupted_trace_says_how_it_goes_on(
    octavo: Run, folder: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, whole = tmp_path / "run.route", TraceWriter.add
    call = ("trace", texts, "--model", folder, "-o", output, "--json")

    def stop(self: TraceWriter, document: object) -> None:
        if self.done:
            raise KeyboardInterrupt
        whole(self, document)  # type: ignore[arg-type]

    monkeypatch.setattr(TraceWriter, "add", stop)
    done = octavo(*call)
    assert done.exit_code == 130
    assert f"what was traced is in {output}, the same command goes on" in done.stderr
    assert len(RouteTrace.open(output).documents()) == 1
    monkeypatch.setattr(TraceWriter, "add", whole)
    told = json.loads(octavo(*call).stdout)
    assert (told["fresh_documents"], told["documents"]) == (3, 4)


def test_overwrite_touches_nothing_but_traces(octavo: Run, folder: Path, texts: Path, tmp_path: Path) -> None:
    done = octavo("trace", texts, "--model", folder, "-o", texts, "--overwrite")
    assert done.exit_code == 2
    assert "is there and is no trace" in done.stderr
    assert (texts / "french" / "a.txt").exists()


def line(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


@pytest.mark.parametrize(
    ("make", "flags", "message"),
    [
        (lambda folder: folder / "nowhere.txt", [], "nowhere.txt is not there"),
        (line("a.txt", b"caf\xe9"), [], "a.txt is not UTF-8 at byte 3"),
        (line("a.jsonl", b'{"text": "x"}\n{"body": "x"}\n'), [], "a.jsonl, line 2 has no string 'text'"),
        (line("a.jsonl", b'{"text": "x"}\n'), ["--text-field", "body"], "has no string 'body' (it holds text)"),
        (line("a.jsonl", b'{"text": ""}\n'), [], "a.jsonl, line 1 is an empty document"),
        (line("a.txt", b""), [], "a.txt is an empty document"),
        (line("a.txt", b"x"), ["--max-tokens", "1"], "--max-tokens is 1: want at least 2"),
        (line("a.txt", b"x"), ["--context", "9999"], "--context is 9999, the model reads 256"),
        (line("a.txt", b"x"), ["-o", "{there}"], "is there and is no trace"),
    ],
)
def test_what_is_wrong_is_one_line(
    octavo: Run, folder: Path, tmp_path: Path, make: Callable[[Path], Path], flags: list[str], message: str
) -> None:
    (tmp_path / "in").mkdir()
    there = tmp_path / "there"
    there.write_text("a file")
    placed = [flag.format(there=there) for flag in flags]
    output = [] if "-o" in flags else ["-o", tmp_path / "run.route"]
    done = octavo("trace", make(tmp_path / "in"), "--model", folder, *output, *placed)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert there.read_text() == "a file"


def test_a_dense_model_has_nothing_to_trace(octavo: Run, dense_folder: Path, texts: Path, tmp_path: Path) -> None:
    done = octavo("trace", texts, "--model", dense_folder, "-o", tmp_path / "run.route")
    assert done.exit_code == 2
    assert "has no experts" in done.stderr
    assert not (tmp_path / "run.route").exists()


def test_torchrun_shares_the_work(process: Process, folder: Path, texts: Path, tmp_path: Path) -> None:
    import subprocess

    one, two = tmp_path / "one.route", tmp_path / "two.route"
    call = ["trace", str(texts), "--model", str(folder), "--context", "16", "-o"]
    assert process(*call, one).returncode == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "octavo"]
    done = subprocess.run([*torchrun, *call, str(two)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Try next") == 1
    assert RouteTrace.open(two).documents() == RouteTrace.open(one).documents()
    assert len(list(two.glob("documents-*"))) == 2
