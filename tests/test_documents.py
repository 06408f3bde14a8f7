"""What the documents say is true: their code runs, their commands print what is shown, their links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from octavo.config import ModelConfig, mini, mistral_7b, mixtral_8x7b, mixtral_8x22b

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
LANGUAGES = {"python", "console", "text", "json", "mermaid"}
# A block that cannot run here (it downloads, or needs a GPU) says so, and why, on the line before it.
NOT_RUN = re.compile(r"<!-- not run: .+ -->$")
# Commands of other programs are shown, not run: a test that started the tests would never end.
SHOWN = {"make", "python3", "git", "pip", "uv", "cd", "torchrun"}


def blocks(name: str) -> Iterator[tuple[str, str, bool]]:
    """Each fenced block of a document: its language, its text, and whether it is to be run."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    opened, runs = None, True
    for number, line in enumerate(lines):
        if line.startswith("```") and opened is None:
            opened, language = number + 1, line[3:].strip()
            runs = not (number and NOT_RUN.match(lines[number - 1]))
        elif line.startswith("```") and opened is not None:
            yield language, "\n".join(lines[opened:number]), runs
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


@pytest.mark.parametrize("name", NAMES)
def test_every_block_names_a_language_we_check(name: str) -> None:
    assert {language for language, _, _ in blocks(name)} <= LANGUAGES


@pytest.mark.parametrize("name", NAMES)
def test_python_in_a_document_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for language, text, runs in blocks(name):
        if language == "python" and runs:
            exec(compile(text, name, "exec"), namespace)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_in_a_document_prints_what_is_shown(name: str, tmp_path: Path) -> None:
    width = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    for language, text, runs in blocks(name):
        for command, shown in commands(text) if language == "console" and runs else ():
            program, *arguments = shlex.split(command)
            if Path(program).name in SHOWN | {"ruff", "mypy", "python"}:
                continue
            assert program == "octavo", f"{name}: {command}"
            full = [sys.executable, "-m", "octavo", *arguments]
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


def account(config: ModelConfig) -> SimpleNamespace:
    """A model's numbers, counted here by hand from its shapes."""
    c = config
    one = 3 * c.dim * c.hidden_dim
    attention = 2 * c.dim * c.num_heads * c.head_dim + 2 * c.dim * c.num_kv_heads * c.head_dim
    table = c.vocab_size * c.dim
    outside = table * (1 if c.tie_embeddings else 2) + c.dim
    rest = outside + c.num_layers * (attention + c.num_experts * c.dim + 2 * c.dim)
    held = rest + c.num_layers * max(c.num_experts, 1) * one
    spent = rest + c.num_layers * max(c.num_experts_per_tok, 1) * one
    return SimpleNamespace(one=one, attention=attention, table=table, held=held, spent=spent)


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
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    counts = account(config)
    assert f"| {line} | {counts.held:,} | {counts.spent:,} |" in page


def test_the_architecture_pages_other_figures_follow_from_the_shapes() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    c, counts = mixtral_8x7b(), account(mixtral_8x7b())
    experts = c.num_layers * c.num_experts * counts.one
    read = counts.spent - counts.table
    cache = 2 * c.num_kv_heads * c.head_dim * 2 * c.num_layers
    figures = [f"{counts.one:,}", f"{counts.attention:,}", f"{experts:,}", f"{read:,}", f"{cache:,} bytes a token"]
    figures += [f"{experts / counts.held:.2%}".replace("%", " %"), f"{read * 2 / 1e9:.1f} GB a token"]
    figures += [f"{mixtral_8x22b().num_layers * 4096:,} bytes", f"about {4800 / (read * 2 / 1e9):.0f}"]
    figures += [f"| {8 * (1 - 0.75**batch):.2f} |" for batch in (1, 2, 4, 8, 16)]
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
