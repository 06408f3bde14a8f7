"""A throwaway folder in which the set-up runs with a real venv and with installers that only pretend."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import bootstrap

TORCH = "torch-2.13.0-cp{}{}-linux.whl".format(*sys.version_info)
PRETEND_INSTALLER = '''#!{python}
"""Writes down how it was called, leaves a mark in the environment, and then does what PRETEND says."""
import os, pathlib, shutil, sys, time
if sys.argv[1:] == ["--version"]:
    sys.exit(print("uv " + os.environ.get("PRETEND_VERSION", "0.9.1")))
root = pathlib.Path.cwd()
with open(root / "calls", "a") as file:
    print({name!r}, *sys.argv[1:], file=file)
mode = os.environ.get("PRETEND_" + {name!r}.upper(), "")
if "--target" in sys.argv:
    target = pathlib.Path(sys.argv[sys.argv.index("--target") + 1]) / "bin"
    target.mkdir(parents=True)
    shutil.copy(root / "kept" / "uv", target / "uv")
elif "install" in sys.argv:
    (root / ".venv" / "mark").write_text("half")
    if mode == "slow":
        time.sleep(1.5)
    elif mode:
        sys.exit("error: " + mode)
    (root / ".venv" / "mark").write_text("whole")
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A folder with bootstrap.py, a project of one module that prints ``hi``, and pretended uv and pip."""

    root: Path

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        paths = {"PATH": "bin", "PYTHONPATH": "python", "PIP_FIND_LINKS": "links"}
        own = {name: str(self.root / folder) for name, folder in paths.items()}
        return subprocess.Popen(
            [sys.executable, "bootstrap.py", *(arguments or ("octavo",))],
            cwd=self.root,
            env={**own, "PIP_NO_INDEX": "0", "PIP_INDEX_URL": "", "PIP_CERT": "", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *arguments: str, **env: str) -> tuple[int, str, str]:
        child = self.start(*arguments, **env)
        output, errors = child.communicate()
        return child.returncode, output, errors

    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def stamp(self) -> dict[str, object]:
        return dict(json.loads((self.root / ".venv" / ".stamp").read_text()))

    def wait_for_mark(self) -> None:
        deadline = time.monotonic() + 30
        while not (self.root / ".venv" / "mark").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def make_house(root: Path) -> House:
    for folder in ("bin", "kept", "python/pip", "octavo", "links"):
        (root / folder).mkdir(parents=True)
    shutil.copy(bootstrap.__file__, root / "bootstrap.py")
    (root / "octavo" / "__main__.py").write_text("import sys; print('hi', *sys.argv[1:])")
    (root / "pyproject.toml").write_text("[build-system]\nrequires = []\n[project]\nname = 'octavo'\n[tool.ruff]\n")
    (root / "constraints.txt").write_text("numpy==2.3.5\nfolio==1.0\n")
    (root / "python" / "pip" / "__init__.py").touch()
    for path, name in ((root / "bin" / "uv", "uv"), (root / "python" / "pip" / "__main__.py", "pip")):
        path.write_text(PRETEND_INSTALLER.format(python=sys.executable, name=name))
        path.chmod(0o755)
    shutil.copy(root / "bin" / "uv", root / "kept" / "uv")
    (root / "links" / TORCH).touch()
    return House(root=root)
