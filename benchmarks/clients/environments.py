"""Builds the environments in which other people's clients live, each its own, under ``.clients``.

    requirements/NAME.txt   every package of one, pinned; none of them becomes one of the project's
    node/                   the package of the clients for Node, with its lock

What a client needs of the project (torch, octavo itself) it sees in the project's own environment, behind its own.
Nothing is rebuilt while the stamp says what an environment was built from.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import bootstrap

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CLIENTS = ROOT / ".clients"
NODE = HERE / "node"
# These see the project's packages too.
BESIDE_OURS = ("lm-eval", "guidellm")


def python_of(name: str) -> Path:
    """The Python of a client's environment, which is built where it is missing or out of date."""
    requirements = HERE / "requirements" / f"{name}.txt"
    folder = CLIENTS / name
    python = folder / "bin" / "python"
    stamp = folder / ".stamp"
    inputs = f"{sys.version} {sys.prefix} {_digest(requirements)}"
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == inputs:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    with bootstrap.hold_lock() as lock:
        bootstrap.run([bootstrap.BASE, "-m", "venv", "--without-pip", str(folder)], lock, "python3 cannot make it")
        _install(python, requirements, lock)
    if name in BESIDE_OURS:
        ours = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
        for site in folder.glob("lib/python*/site-packages"):
            (site / "ours.pth").write_text("\n".join(ours) + "\n", encoding="utf-8")
    stamp.write_text(inputs, encoding="utf-8")
    return python


def node_folder() -> Path:
    """A folder with the clients for Node, installed from the lock."""
    folder = CLIENTS / "node"
    stamp = folder / ".stamp"
    inputs = _digest(NODE / "package-lock.json")
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == inputs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(NODE / name, folder / name)
        subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        stamp.write_text(inputs, encoding="utf-8")
    for script in NODE.glob("*.mjs"):
        shutil.copy(script, folder / script.name)
    return folder


def is_built(name: str) -> bool:
    """Whether an environment is there, of whatever date."""
    return (CLIENTS / name / ".stamp").exists()


def quiet_env(**more: str) -> dict[str, str]:
    """The environment of this process without keys, proxies and what belongs to our own Python."""
    dropped = ("OPENAI_", "OCTAVO_", "PYTHON", "VIRTUAL_ENV", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(dropped)}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "TOKENIZERS_PARALLELISM": "false"} | more


def _install(python: Path, requirements: Path, lock: int) -> None:
    """Installs a file of pins as it stands, with uv or, where it cannot be had, with pip."""
    links = [flag for link in bootstrap.read_pip_setting("find-links") for flag in ("--find-links", link)]
    what = ["install", "--no-deps", *links, "-r", str(requirements)]
    try:
        env = dict(os.environ)
        for pip_name, uv_name in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
            for value in bootstrap.read_pip_setting(pip_name):
                env.setdefault(uv_name, value)
        command = [bootstrap.find_uv(lock), "pip", *what, "--quiet", "--python", str(python)]
        bootstrap.run(command, lock, f"uv cannot install {requirements.stem}", env)
    except bootstrap.InstallerError:
        bootstrap.run([*bootstrap.PIP, "--python", str(python), *what], lock, f"pip cannot install {requirements.stem}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        print(node_folder() if wanted == "node" else python_of(wanted))
