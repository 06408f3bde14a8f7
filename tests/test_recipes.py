"""Every recipe of a published figure runs on a trace, or makes one of a corpus, and says what was counted."""

import lzma
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from octavo.analysis.store import TraceWriter
from tests.analysis.figures.traces import many_domains

RECIPES = Path(__file__).parents[1] / "recipes"
NAMES = ("table_5", "figure_7", "figure_8", "figure_9", "figure_10")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, folder = many_domains(2), tmp_path_factory.mktemp("traces") / "run.route"
    with TraceWriter(folder, made.manifest) as writer:
        for document in made.given:
            writer.add(document)
        writer.write_vocabulary([made.tokens[each] for each in range(26)], ())
    return folder


def recipe(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "OCTAVO_CORPUS"}
    call = [sys.executable, RECIPES / f"{name}.py", *map(str, arguments)]
    env["PYTHONPATH"] = str(RECIPES.parent)
    return subprocess.run(call, cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_draws_its_figure_of_a_trace(run: Path, tmp_path: Path, name: str) -> None:
    done = recipe(name, run, "--replicates", 20, "-o", tmp_path / "x.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'x.svg'}\n"
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_a_corpus_is_traced_where_there_is_no_trace(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for domain, text in (("prose", "The old captain looked at the sea."), ("code", "def area(r):\\n    return r * r")):
        with lzma.open(corpus / f"{domain}.test.jsonl.xz", "wt") as file:
            file.write("".join(f'{{"id": "{number}", "text": "{text} {number}"}}\n' for number in range(4)))
    done = recipe("table_5", "--corpus", corpus, "--replicates", 0, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^code +[\d.]+ ", done.stdout, re.MULTILINE) and "First choice, layer 3" in done.stdout
    assert (tmp_path / "runs" / "test.route" / "manifest.json").exists()


def test_without_a_trace_or_a_corpus_it_says_what_it_wants(tmp_path: Path) -> None:
    done = recipe("figure_7", cwd=tmp_path)
    assert done.returncode == 2 and "want a trace, or a corpus" in done.stderr
    (tmp_path / "empty").mkdir()
    assert "has no test splits" in recipe("figure_7", "--corpus", tmp_path / "empty", cwd=tmp_path).stderr
