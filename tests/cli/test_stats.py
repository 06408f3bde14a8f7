"""``octavo stats``: rows as JSON or as a table, the list, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from octavo.analysis.accumulators import Accumulators, Contents, save
from octavo.analysis.store import TraceWriter
from tests.analysis.synthetic import MemoryTrace, manifest_of, uniform
from tests.cli.conftest import Run

DOCUMENTS = [
    uniform(40, num_layers=2, domain=domain, name=str(seed), seed=seed, first_token_is_bos=True)
    for domain in ("law", "code")
    for seed in range(3)
]
MANIFEST = replace(manifest_of(DOCUMENTS), vocab_size=100)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traces") / "run.route"
    with TraceWriter(folder, MANIFEST) as writer:
        for document in DOCUMENTS:
            writer.add(document)
    return folder


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traces") / "counts.route"
    save(Accumulators.over(MemoryTrace(DOCUMENTS, MANIFEST), contents=Contents(replicates=50)), folder)
    return folder


def test_rows_as_json(octavo: Run, run: Path) -> None:
    done = octavo("stats", run, "repetition", "--json", "--lag", "1,3", "--choice", "first", "--replicates", 20)
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 2 * 2 * 2
    assert list(rows[0]) == [
        *("domain", "layer", "choice", "lag"),
        *("value", "null_uniform", "null_marginal", "null_shuffle", "lo", "hi", "n"),
    ]
    assert {(each["lag"], each["n"]) for each in rows} == {(1, 114), (3, 108)}
    assert all(each["lo"] <= each["value"] <= each["hi"] for each in rows)


def test_a_table_names_the_chances(octavo: Run, run: Path) -> None:
    done = octavo("stats", run, "repetition", "--layer", "1", "--domain", "law")
    assert done.stdout.splitlines()[0] == "repetition, domain law, layer 1, lag 1"
    assert done.stdout.splitlines()[1].split() == ["choice", "value", "uniform", "marginal", "shuffle", "lo", "hi", "n"]


def test_bos_counts_where_asked(octavo: Run, run: Path) -> None:
    def tokens(*flags: str) -> int:
        return int(json.loads(octavo("stats", run, "load", "--json", "--replicates", 0, *flags).stdout)[0]["n"])

    assert (tokens(), tokens("--bos"), tokens("--by", "all")) == (117, 120, 234)


def test_without_a_name_all_are_listed(octavo: Run, run: Path, counts: Path) -> None:
    listed = json.loads(octavo("stats", run, "--json").stdout)["statistics"]
    assert {"assignment-share", "repetition", "load"} <= {each["name"] for each in listed}
    assert "how evenly experts are used" in octavo("stats", counts).stdout


def test_counts_give_the_same_values(octavo: Run, run: Path, counts: Path) -> None:
    here, there = (json.loads(octavo("stats", path, "load", "--json").stdout) for path in (run, counts))
    assert [each["value"] for each in here] == [each["value"] for each in there]
    assert all(each["lo"] is not None for each in there)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("loads",), "no statistic 'loads': did you mean load?"),
        (("load", "--lag", "2"), "load has no option 'lag'"),
        (("load", "--layer", "7"), "no routing of layer 7 in this trace: it has the layers 0, 1"),
        (("load", "--layer", "x"), "layers 'x': want numbers"),
        (("load", "--domain", "laws"), "no domain 'laws'"),
        (("repetition", "--lag", "many"), "lag is 'many': want a number"),
        (("repetition", "--replicates", "1"), "1 replicates"),
    ],
)
def test_what_cannot_be_is_one_line(octavo: Run, run: Path, arguments: tuple[str, ...], message: str) -> None:
    done = octavo("stats", run, *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_that_is_no_trace_is_one_line(octavo: Run, tmp_path: Path) -> None:
    done = octavo("stats", tmp_path, "load")
    assert done.exit_code == 2
    assert "has no manifest.json: want a trace" in done.stderr
