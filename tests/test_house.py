"""The rules of the house that no other tool checks: sizes, names, where tests stand, and what is never called."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

from octavo.routing import route

ROOT = Path(__file__).parent.parent
LINES = 300
# Name tables and kernel bodies may be longer than a page or two.
LONGER: set[str] = set()
# Words that name nothing: a longer, truer one is at hand.
EMPTY_WORDS = re.compile(
    r"(^|_)(utils?|helpers?|manager|process|data|misc|common|stuff)(_|$)|Manager|Helper|Base($|[A-Z])"
)
# Methods that others call by these names: asyncio's protocols.
GIVEN_NAMES = {"data_received"}
# Modules without a test file of their own, and where they are tested instead.
TESTED_ELSEWHERE = {
    "octavo/__init__.py": "tests/test_public_face.py",
    "octavo/__main__.py": "tests/test_public_face.py",
    "octavo/ops/experts/few_up.py": "tests/ops/experts/test_triton.py",
    "octavo/ops/experts/few_down.py": "tests/ops/experts/test_triton.py",
}
# torch.load is for one file, which converts a .pth that the caller has allowed, and reads weights only.
MAY_UNPICKLE_WEIGHTS = {"octavo/checkpoint/pickled.py"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}


def tracked(*patterns: str) -> list[Path]:
    """The files under version control, or all of them where there is no git."""
    done = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split("\0") if done.returncode == 0 else []
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sources(*folders):
        yield name_of(path), ast.parse(path.read_text(encoding="utf-8"))


def spelled(node: ast.expr) -> str:
    """A call's name with its dots: ``torch.load``."""
    if isinstance(node, ast.Attribute):
        return f"{spelled(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_no_file_is_long() -> None:
    paths = [*sources("octavo", "tests", "benchmarks", "recipes"), ROOT / "bootstrap.py"]
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: length for name, length in lengths.items() if length > LINES and name not in LONGER} == {}


def test_no_name_is_empty() -> None:
    found = []
    for name, tree in parsed("octavo"):
        found += [name] * bool(EMPTY_WORDS.search(Path(name).stem))
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name not in GIVEN_NAMES and EMPTY_WORDS.search(node.name):
                found.append(f"{name}:{node.lineno} {node.name}")
    assert found == []


def test_every_module_has_its_tests_in_the_same_place() -> None:
    missing = []
    for path in sources("octavo"):
        name = name_of(path)
        folder = ROOT / "tests" / path.parent.relative_to(ROOT / "octavo")
        if name in TESTED_ELSEWHERE:
            mirror = ROOT / TESTED_ELSEWHERE[name]
        elif path.name != "__init__.py":
            mirror = folder / f"test_{path.stem}.py"
        elif has_code(path):
            mirror = folder / f"test_{path.parent.name}.py"
        else:
            continue
        if not mirror.exists():
            missing.append(f"{name}: {name_of(mirror)}")
    assert missing == []


def has_code(path: Path) -> bool:
    """Whether a package's opening file does more than say what the package is and pass names on."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.ClassDef | ast.FunctionDef) for node in body)


def test_nothing_runs_or_unpickles_what_it_reads() -> None:
    found = []
    for name, tree in parsed("octavo"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
                )
                found += [f"{name}:{node.lineno} {each}" for each in modules if each.split(".")[0] in FORBIDDEN_MODULES]
            if isinstance(node, ast.Call):
                found += [f"{name}:{node.lineno} {trouble}" for trouble in dangers(name, node)]
    assert found == []


def dangers(name: str, call: ast.Call) -> Iterator[str]:
    """What is wrong with one call, if anything."""
    spelling = spelled(call.func)
    keywords = {each.arg: each.value for each in call.keywords}
    shell, weights_only = keywords.get("shell"), keywords.get("weights_only")
    if spelling in FORBIDDEN_CALLS:
        yield spelling
    if isinstance(shell, ast.Constant) and shell.value:
        yield "shell=True"
    if spelling == "torch.load":
        if name not in MAY_UNPICKLE_WEIGHTS:
            yield "torch.load outside the conversion of .pth files"
        if not (isinstance(weights_only, ast.Constant) and weights_only.value is True):
            yield "torch.load without weights_only=True"
    if spelling.endswith("load_inline") or "trust_remote_code" in keywords:
        yield spelling


@pytest.mark.parametrize(
    "code",
    ["eval('1')", "subprocess.run('ls', shell=True)", "torch.load('x.pth')", "torch.load('x', weights_only=False)"],
)
def test_a_dangerous_call_is_seen(code: str) -> None:
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    assert list(dangers("octavo/model.py", call))


def test_a_weights_only_load_in_its_one_place_is_fine() -> None:
    call = ast.parse("torch.load(path, map_location='cpu', weights_only=True)", mode="eval").body
    assert isinstance(call, ast.Call)
    assert not list(dangers(min(MAY_UNPICKLE_WEIGHTS), call))


def test_no_module_escapes_the_floors_by_type_checking() -> None:
    texts = {name_of(path): path.read_text(encoding="utf-8") for path in sources("octavo")}
    assert [name for name, text in texts.items() if "TYPE_CHECKING" in text] == []


def test_tracked_text_names_no_registry_and_no_home() -> None:
    # Written in pieces, so that this file does not find itself.
    registry = r"https?://[\w.:@-]*(pypi|pythonhosted|artifact|nexus|devpi|download\.py" + r"torch)[\w./:-]*"
    leak = re.compile(registry + r"|--(extra-)?index-url|/(home|Users)/\w+/|/ro" + r"ot/|file:///\w+/")
    found = []
    for path in tracked():
        if path == Path(__file__) or path.suffix in (".safetensors", ".png", ".gif", ".parquet"):
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{name_of(path)}: {match[0]}" for match in leak.finditer(text)]
    assert found == []


def test_every_pin_is_exact_and_has_no_address() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(pins) > 30
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9.-]+==[\w.]+( ; [\w.<>=!' ]+)?", pin)] == []


def test_every_requirement_is_pinned() -> None:
    pins = {pin.split("==")[0] for pin in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project]")[1].split("[project.scripts]")[0]
    wanted = set(re.findall(r'"([a-z0-9-]+)(?:\[[a-z]+\])?>=', project))
    assert len(wanted) > 15
    assert wanted <= pins


def test_the_shape_hook_refuses_a_wrong_shape(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("jaxtyping_packages"):
        pytest.skip("this run is not under the shape hook; 'make check' is")
    with pytest.raises(jaxtyping.TypeCheckError):
        route(torch.zeros(3, 4, 5), 2)
