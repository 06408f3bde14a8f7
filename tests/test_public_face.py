"""What a caller meets: the names of the package, what importing it costs, and what the floors forbid at run time."""

import importlib
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import octavo

OCTAVO = Path(octavo.__file__).parent
# Packages that are large, optional, or oracles of our tests.
NEVER_IMPORTED = {"transformers", "mistral_common", "fastapi", "pyarrow", "triton", "matplotlib", "tensorboard"}
NO_TORCH = ["errors", "config", "engine.request", "engine.blocks", "engine.scheduler", "cli"]
CORE_CLOSURE = 40
# Only octavo serve imports these, and says which extra is missing where they cannot be imported.
SERVING = ("octavo.server", "octavo.cli.serving")
# Nothing imports this but its own command line.
PLUGINS = ("octavo.lm_eval",)


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh Python holds after one statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def every_module() -> list[str]:
    paths = (path.relative_to(OCTAVO.parent) for path in OCTAVO.rglob("*.py") if path.name != "triton.py")
    names = (".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths)
    return sorted(name for name in names if not name.endswith("__main__"))


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(octavo.__all__) == sorted(set(octavo.__all__))
    for name in octavo.__all__:
        assert getattr(octavo, name).__doc__ or name == "__version__", name


def test_type_checkers_see_the_same_names() -> None:
    stub = (OCTAVO / "__init__.pyi").read_text(encoding="utf-8")
    named = {name: home for home, name in re.findall(r"^from (\S+) import \w+ as (\w+)$", stub, re.MULTILINE)}
    assert sorted([*named, "__version__"]) == sorted(octavo.__all__)
    for name, home in named.items():
        assert getattr(importlib.import_module(home), name) is getattr(octavo, name)


def test_what_the_package_lists_is_its_public_face() -> None:
    assert set(dir(octavo)) >= set(octavo.__all__)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = octavo.nothing_of_the_kind


def test_the_version_is_the_installed_one() -> None:
    assert octavo.__version__ == importlib.metadata.version("octavo")


def test_importing_the_package_is_light() -> None:
    loaded = modules_after("import octavo")
    assert not loaded & (NEVER_IMPORTED | {"torch"})


def test_no_module_of_the_core_pulls_in_what_is_optional() -> None:
    statement = "\n".join(f"import {name}" for name in every_module() if not name.startswith(SERVING + PLUGINS))
    assert not modules_after(statement) & (NEVER_IMPORTED - {"triton"})


@pytest.mark.parametrize("name", NO_TORCH)
def test_a_floor_that_needs_no_torch_imports_none(name: str) -> None:
    assert "torch" not in modules_after(f"import octavo.{name}")


def test_the_core_has_few_packages() -> None:
    pending, closure = ["octavo"], set()
    while pending:
        name = pending.pop()
        for requirement in importlib.metadata.requires(name) or []:
            marker = requirement.partition(";")[2]
            found = re.match(r"[A-Za-z0-9._-]+", requirement)
            assert found
            wanted = re.sub(r"[._-]+", "-", found[0]).lower()
            if "extra ==" in marker or wanted in closure or wanted.startswith(("nvidia", "cuda", "triton")):
                continue
            try:
                importlib.metadata.version(wanted)
            except importlib.metadata.PackageNotFoundError:
                continue  # for another platform
            closure.add(wanted)
            pending.append(wanted)
    assert len(closure) <= CORE_CLOSURE, sorted(closure)
