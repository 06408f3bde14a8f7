"""The report's page in a real browser: web/tests drive it in headless Chromium, on pages that are written here."""

import base64
import json
import os
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from octavo.analysis.report import Told, open_told, write_report
from octavo.analysis.report.embedding import fill_template
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.store import TraceWriter
from octavo.cli import app
from tests.analysis.report.hostile import hostile_trace
from tests.analysis.report.traces import PIECES, VOCABULARY, small_trace
from tests.browsing import CHROMIUM, WEB, build_page, need, run_node_tests

DOMAINS = tuple(f"domain_{number}" for number in range(10))
FEW = Intervals(replicates=20)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pages: one run, two, hostile strings, the largest that is promised, and the empty template."""
    folder = tmp_path_factory.mktemp("pages")
    one = replace(on_disk(folder / "one.route"), path="one.route")
    changed = small_trace(seed=1)
    two = Told(name="two", path="two.route", source=swapped(), pieces=PIECES, names=names(changed))
    write_report(one, folder / "one.html", title="One trace", intervals=FEW)
    write_report([one, two], folder / "two.html", title="Two traces", intervals=FEW)
    write_report(hostile_trace(), folder / "hostile.html", intervals=FEW)
    write_report(large(), folder / "large.html", title="Large", intervals=FEW)
    (folder / "empty.html").write_text(fill_template(None, title="Empty"), encoding="utf-8")
    return folder


def on_disk(folder: Path) -> Told:
    """The small trace, written and opened."""
    trace = small_trace()
    with TraceWriter(folder, trace.manifest) as writer:
        for each in trace.given:
            writer.add(each)
        writer.write_vocabulary([PIECES[token] for token in range(VOCABULARY)], {0})
    return open_told(folder)


def names(trace: object) -> dict[int, str]:
    return {each.document: each.name for each in trace.documents()}  # type: ignore[attr-defined]


def swapped() -> object:
    """The small trace, in which every tenth token of layer 2 goes to its two experts the other way round."""
    trace = small_trace()
    for each in trace.given:
        each.expert_TLK[::10, 2] = each.expert_TLK[::10, 2, ::-1]
    return trace


def large() -> Told:
    """32 layers of 8 experts, 10 domains, and words of which many differ."""
    trace = small_trace(domains=DOMAINS, each=4, length=1500, layers=32)
    rng = np.random.default_rng(0)
    letters = [chr(97 + each) for each in range(26)]
    pieces = {token: (" " + "".join(rng.choice(letters, 9))).encode() for token in range(40)}
    return Told(name="large", path="large.route", source=trace, pieces=pieces, names=names(trace))


def test_the_largest_page_that_is_promised_is_at_most_two_megabytes(pages: Path) -> None:
    assert (pages / "large.html").stat().st_size <= 2_000_000


def test_the_committed_page_is_what_the_sources_build_to() -> None:
    done = build_page("vite.config.ts", "scripts/page.mjs")
    assert done.returncode == 0, done.stderr


def test_the_page_in_a_browser(pages: Path) -> None:
    files = [str(path.relative_to(WEB)) for path in sorted((WEB / "tests").glob("*.test.mjs"))]
    run_node_tests(files, OCTAVO_PAGES=str(pages))


def test_every_query_of_the_page_gives_rows(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = need(browser=True)
    env = {**os.environ, "OCTAVO_CHROMIUM": CHROMIUM}
    command = [node, "tests/queries.mjs", str(pages / "one.html")]
    done = subprocess.run(command, cwd=WEB, env=env, capture_output=True, text=True, check=False)
    queries = done.stdout.splitlines()
    assert len(queries) >= 10, done.stderr
    monkeypatch.chdir(pages)
    for query in dict.fromkeys(queries):
        program, *arguments = shlex.split(query)
        assert program == "octavo"
        fewer = ["--replicates", "0"] if arguments[0] == "stats" else ["--json"]
        result = CliRunner().invoke(app, [*arguments, *fewer])
        assert result.exit_code == 0, f"{query}: {result.stderr}"
        assert json.loads(result.stdout), query


def test_the_page_shows_what_its_query_gives(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pages)
    asked = CliRunner().invoke(
        app, ["stats", "one.route", "assignment-share", "--choice", "first", "--replicates", "0", "--json"]
    )
    held = re.search(r'id="report">(.*?)</script>', (pages / "one.html").read_text(encoding="utf-8"), re.DOTALL)
    assert held is not None
    run = json.loads(held[1])["runs"][0]
    packed = run["share"]["first"]["value"]
    shown = np.frombuffer(base64.b64decode(packed["base64"]), "<f4").reshape(packed["shape"])
    domains = [each["name"] for each in run["domains"]]
    rows = json.loads(asked.stdout)
    assert len(rows) == 2 * 4 * 8
    for row in rows:
        at = domains.index(row["domain"]), run["layers"].index(row["layer"]), row["expert"]
        assert shown[at] == pytest.approx(row["value"], abs=1e-6)
