"""``octavo figure``: a figure of a trace in the form that its name asks for, or its table on the screen."""

import json
from pathlib import Path

import pytest

from octavo.analysis.importers.writing import import_files
from octavo.analysis.store import TraceWriter
from tests.analysis.figures.traces import many_domains
from tests.cli.conftest import Run

GOLDEN = Path(__file__).parents[1] / "golden" / "mixtral-8x7b-expert-counts.json"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, folder = many_domains(2), tmp_path_factory.mktemp("traces") / "run.route"
    with TraceWriter(folder, made.manifest) as writer:
        for document in made.given:
            writer.add(document)
        writer.write_vocabulary([made.tokens[each] for each in range(26)], ())
    return folder


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "csv", "json", "tex"])
def test_a_figure_is_saved_in_the_form_that_its_name_asks_for(
    octavo: Run, run: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"x.{suffix}"
    done = octavo("figure", run, "table-5", "-o", out, "--replicates", 20)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out}: Neighbours that go to the same expert\n"
    assert out.stat().st_size > 100


def test_without_a_place_its_table_is_printed(octavo: Run, run: Path) -> None:
    done = octavo("figure", run, "table-5", "--layer", "0,2", "--replicates", 0)
    lines = done.stdout.splitlines()
    assert lines[0] == "Neighbours that go to the same expert" and "First choice, layer 2" in lines[2]
    assert lines[3].startswith("domain 0") and lines[5].startswith("Even chance")
    assert "396 pairs a domain" in lines[-1]


def test_figures_are_listed(octavo: Run, run: Path) -> None:
    done = octavo("figure", run)
    assert "figure-10" in done.stdout and "transitions" in done.stdout
    listed = json.loads(octavo("figure", run, "--json").stdout)["figures"]
    assert {"name": "load", "meaning": "how unevenly the experts of each layer are used"} in listed


def test_rows_come_as_json(octavo: Run, run: Path) -> None:
    read = json.loads(octavo("figure", run, "figure-7", "--domain", "domain 1", "--replicates", 0, "--json").stdout)
    assert {each["domain"] for each in read["rows"]} == {"domain 1"} and len(read["rows"]) == 3 * 8


def test_counts_of_the_real_mixtral_are_drawn_as_they_were_counted(octavo: Run, tmp_path: Path) -> None:
    import_files([GOLDEN], "olmoe", tmp_path / "mixtral.route")
    done = octavo("figure", tmp_path / "mixtral.route", "figure-7", "-o", tmp_path / "x.svg")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("figure-11",), "no figure 'figure-11': want one of figure-7"),
        (("figure-7", "-o", "x.gif"), "x.gif ends in .gif: want one of .png"),
        (("figure-7", "--layer", "9"), "no routing of layer 9 in this trace"),
        (("figure-8", "--document", "z"), "no document 'z'"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(octavo: Run, run: Path, arguments: tuple[str, ...], message: str) -> None:
    done = octavo("figure", run, *arguments)
    assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1
