"""What the documents say is true: their code runs, their commands print what is shown, their links lead somewhere."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from octavo.config import ModelConfig, mini, mistral_7b, mixtral_8x7b, mixtral_8x22b
from octavo.parameters import count, experts_read, memory

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
LANGUAGES = {"python", "console", "text", "json", "mermaid"}
# A block that cannot run here (it downloads, or needs a GPU) says so, and why, on the line before it.
NOT_RUN = re.compile(r"<!-- not run: .+ -->$")
# Commands of other programs are shown, not run: a test that started the tests would never end.
SHOWN = {"make", "python3", "git", "pip", "uv", "cd", "torchrun"}
# Where a document finds the server that it tells of; the tests put one on a port of its own in its place.
SERVED = "http://127.0.0.1:8000"


def blocks(name: str) -> Iterator[tuple[str, str, bool]]:
    """Each fenced block of a document: its language, its text, and whether it is to be run."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    opened, runs = None, True
    for number, line in enumerate(lines):
        if line.startswith("```") and opened is None:
            opened, language = number + 1, line[3:].strip()
            runs = not (number and NOT_RUN.match(lines[number - 1]))
        elif line.startswith("```") and opened is not None:
            # As many lines come before it as in the document, so that a traceback shows the right one.
            yield language, "\n" * opened + "\n".join(lines[opened:number]), runs
            opened = None
    assert opened is None, f"{name}: a block is never closed"


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each ``$ command`` of a console block, with the output that is shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command = command[:-1] + more.strip()
        yield command, output


def matches(shown: str, printed: str) -> bool:
    """Whether an output is the one shown; a line of ``...`` stands for any lines, spaces at a line's end for none."""
    parts = re.split(r"^\.\.\.$", re.sub(r" +$", "", shown.strip(), flags=re.MULTILINE), flags=re.MULTILINE)
    pattern = ".*".join(re.escape(part.strip()) + r"\s*" for part in parts)
    return re.fullmatch(pattern, re.sub(r" +$", "", printed.strip(), flags=re.MULTILINE), re.DOTALL) is not None


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """octavo serve with octavo-mini, for the documents that ask it something."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "octavo", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            said = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
            assert said is not None, "the server did not say where it is"
            yield said[0]
        finally:
            server.terminate()


def runnable(name: str, *languages: str) -> list[tuple[str, str]]:
    """The blocks of some languages that are to be run."""
    return [(language, text) for language, text, runs in blocks(name) if runs and language in languages]


@pytest.fixture
def address(request: pytest.FixtureRequest, name: str) -> str:
    """Where the documents' server is; it is started for those only that ask it something."""
    asks = any(SERVED in text for _, text in runnable(name, "python", "console"))
    return str(request.getfixturevalue("served")) if asks else SERVED


@pytest.mark.parametrize("name", NAMES)
def test_every_block_names_a_language_we_check(name: str) -> None:
    assert {language for language, _, _ in blocks(name)} <= LANGUAGES


@pytest.mark.parametrize("name", NAMES)
def test_python_in_a_document_runs(name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for _, text in runnable(name, "python"):
        exec(compile(text.replace(SERVED, address), name, "exec"), namespace)
    if "client" in namespace:
        namespace["client"].close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_a_command_in_a_document_prints_what_is_shown(name: str, address: str, tmp_path: Path) -> None:
    width = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    # Commands are typed at the root of the project, but what they write is not to stay there.
    (tmp_path / "octavo").symlink_to(ROOT / "octavo")
    for _, text in runnable(name, "console"):
        for command, shown in commands(text.replace(SERVED, address)):
            program, *arguments = shlex.split(command)
            if Path(program).name in SHOWN | {"ruff", "mypy", "python"}:
                continue
            if program == "curl" and shutil.which("curl") is None:
                continue
            assert program in ("octavo", "curl"), f"{name}: {command}"
            full = [*([sys.executable, "-m", "octavo"] if program == "octavo" else [program]), *arguments]
            done = subprocess.run(
                full, cwd=tmp_path, env={**os.environ, **width}, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"
            assert not shown.strip() or matches(shown, done.stdout), f"{command} prints:\n{done.stdout}"


def test_an_output_matches_only_itself() -> None:
    assert matches("one\n...\nfour", "one \ntwo\nthree\nfour\n")
    assert not matches("one\n...\nfour", "one\ntwo\nthree")
    assert not matches("one", "one\ntwo")


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_in_a_document_exists(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^\$ |`)make ([a-z][a-z-]*)", text, re.MULTILINE)) <= targets


def test_every_path_in_the_plan_of_the_readme_exists() -> None:
    paths = re.findall(r"`((?:octavo|docs|tests|benchmarks|recipes)/[\w./]*)`", (ROOT / "README.md").read_text("utf-8"))
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    broken = [each for each in links if "://" not in each and not ((ROOT / name).parent / each).exists()]
    assert broken == []


@pytest.mark.parametrize(
    ("line", "config"),
    [
        ("Mistral 7B v0.1", mistral_7b()),
        ("Mixtral 8x7B", mixtral_8x7b()),
        ("Mixtral 8x22B", mixtral_8x22b()),
        ("octavo-mini", mini()),
        ("its dense twin", mini(num_experts=0)),
    ],
)
def test_the_architecture_page_counts_right(line: str, config: ModelConfig) -> None:
    assert f"| {line} | {count(config).total:,} | {count(config).active:,} |" in architecture()


def architecture() -> str:
    return (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_architecture_page_takes_mixtral_apart_as_it_is() -> None:
    for part in count(mixtral_8x7b()).parts:
        row = rf"^\| {part.name.removesuffix('s')}[^|]* \| {part.total:,} \| {part.active:,} \|$"
        assert re.search(row, architecture(), re.MULTILINE), part


def test_the_architecture_pages_other_figures_follow_from_the_shapes() -> None:
    config, counts = mixtral_8x7b(), count(mixtral_8x7b())
    share = {part.name: (part.total / counts.total, part.active / counts.active) for part in counts.parts}
    weights, cache = counts.read - config.dim, memory(config, "bfloat16", context=32768)
    figures = [f"Experts are {share['experts'][0]:.2%}", f"held and {share['experts'][1]:.2%}"]
    figures += [f"2 · {counts.flop // 2:,}", f"make {counts.flop / 1e9:.1f} billion", f"{cache.weights / 1e9:.1f} GB"]
    figures += [
        f"{weights:,} of two bytes",
        f"{weights * 2 / 1e9:.1f} GB a token",
        f"about {2400e9 / weights:.0f} tokens",
    ]
    figures += [f"= {cache.cache_per_token:,} bytes a token", f"takes {cache.cache / 1e9:.1f} GB"]
    figures += [f"takes {memory(mixtral_8x22b(), 'bfloat16').cache_per_token:,} bytes"]
    figures += [f"| {experts_read(config, tokens):.2f} |" for tokens in (1, 2, 4, 8, 16)]
    page = re.sub(r"\s+", " ", architecture()).replace(" %", "%")
    assert [figure for figure in figures if figure not in page] == []


def test_every_shape_letter_is_in_the_legend() -> None:
    legend = (ROOT / "docs" / "shapes.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"[A-Za-z]1?", " ".join(re.findall(r"^\| ([A-Za-z1, ]+) \|", legend, re.MULTILINE))))
    used: dict[str, str] = {}
    for path in sorted((ROOT / "octavo").rglob("*.py")):
        for annotation in re.findall(r"(?:Float|Int|Bool)\[\w+, \"([^\"]+)\"\]", path.read_text(encoding="utf-8")):
            used |= dict.fromkeys(re.findall(r"[A-Za-z]+\d?", annotation), path.relative_to(ROOT).as_posix())
    assert "T" in used
    assert {letter: where for letter, where in used.items() if letter not in listed} == {}
