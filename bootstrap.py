"""Builds the project's environment and runs one command in it: ``python3 bootstrap.py demo``, ``test``, ``check``...

It needs nothing but Python. ``.venv/.stamp`` says what the environment was built from; while that holds, a command
starts at once and without a network. Otherwise uv fills it (the one on PATH, or one fetched into ``.tools``), or pip
where uv cannot be had; both keep to ``constraints.txt`` and look into pip's find-links. A build that was interrupted
leaves a stamp that says so: the next call starts it afresh. ``OCTAVO_INSTALLER=uv`` or ``=pip`` allows only that one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".stamp"
TOOLS = ROOT / ".tools"
CONSTRAINTS = ROOT / "constraints.txt"
# The Python that called us, also where it is a virtual environment of its own, but never ours.
BASE = getattr(sys, "_base_executable", sys.executable) if Path(sys.prefix) == VENV else sys.executable
PIP = (BASE, "-m", "pip", "--disable-pip-version-check")

SHAPE_CHECKED = "octavo.model,octavo.routing,octavo.ops,octavo.engine.sampler,octavo.training.losses,beartype.beartype"
PYTEST = ("-m", "pytest", "-q", "-n", "auto", "--maxprocesses", "4")
CHECKS = (  # the whole suite comes last, so that its summary ends a check
    ("-m", "ruff", "format", "--check", "--quiet", "."),
    ("-m", "ruff", "check", "--quiet", "."),
    ("-m", "mypy"),
    (str(VENV / "bin" / "lint-imports"),),
    (*PYTEST, "-m", "compile"),
    (*PYTEST, "-m", "not compile", "--jaxtyping-packages=" + SHAPE_CHECKED),
)

# Each command: the extras it needs and the Python command lines it runs. The last one gets the caller's own arguments.
COMMANDS = {
    "demo": (["trace"], [("-m", "octavo", "demo")]),
    "octavo": ([], [("-m", "octavo")]),
    **dict.fromkeys(("check", "test"), (["test"], CHECKS)),
    "pytest": (["test"], [("-m", "pytest")]),
    "python": (["test"], [()]),
}

DISK_FULL = "no space left|os error 28|errno 28|quota exceeded"
NO_NETWORK = "dns error|name resolution|lookup address|connection refused|unreachable|timed out|error sending request"
NO_NETWORK += "|tcp connect|newconnectionerror|connecttimeout|max retries|proxyerror"


class SetupError(Exception):
    """Something that keeps the environment from being built, told in one line."""


class InstallerError(SetupError):
    """An installer failed where another one may do better."""


class NoNetworkError(SetupError):
    """No registry answered. Installers fetch everything first, so nothing has been touched."""


def say(text: str) -> None:
    """Prints a line about the set-up, apart from a command's own output."""
    print(text, file=sys.stderr, flush=True)


def use_supported_python() -> None:
    """Goes on in another Python of this machine where this one is too old or too new; raises if there is none."""
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return
    for name in ("python3.12", "python3.11", "python3.13"):
        path = shutil.which(name)
        # A name on PATH may be a shim for a version that is not installed.
        if path and subprocess.run([path, "-c", ""], stderr=subprocess.DEVNULL).returncode == 0:
            os.execv(path, [path, str(ROOT / "bootstrap.py"), *sys.argv[1:]])
    raise SetupError(
        f"this is Python {sys.version.split()[0]}, want 3.11 to 3.13: install one, or give make PYTHON=..."
    )


def describe_inputs() -> dict:
    """Returns what an environment is built from, as a digest, and the Python and the folder that it is tied to."""
    import tomllib

    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = json.dumps([tables["build-system"], tables["project"], CONSTRAINTS.read_text(encoding="utf-8")])
    return {"wanted": hashlib.sha256(wanted.encode()).hexdigest(), "tied_to": f"{sys.version} {sys.base_prefix} {ROOT}"}


def read_stamp() -> dict:
    """Returns the environment's stamp: nothing where it is not ours, no "inputs" where its build was interrupted."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # a torn one was empty or half written when the power went
        return {"extras": []} if STAMP.exists() else {}


def write_stamp(stamp: dict) -> None:
    """Replaces the stamp in one step."""
    fresh = ROOT / ".venv.stamp"  # not inside: a folder that holds anything but a stamp is not ours
    fresh.write_text(json.dumps(stamp) + "\n", encoding="utf-8")
    fresh.replace(STAMP)


def is_ready(stamp: dict, extras: list) -> bool:
    """Says whether the environment is whole, up to date, and holds these extras."""
    return stamp.get("inputs") == describe_inputs() and set(extras) <= set(stamp["extras"]) and PYTHON.exists()


def prepare(extras: list) -> None:
    """Makes the environment hold the package and these extras; returns at once when it does already."""
    if is_ready(read_stamp(), extras):
        return
    with hold_lock() as lock:
        stamp = read_stamp()
        if is_ready(stamp, extras):
            return
        if not stamp and VENV.exists() and any(VENV.iterdir()):
            raise SetupError(f"{VENV} was not built by bootstrap.py: move it away or run 'make clean', then try again")
        inputs, system = describe_inputs(), find_system_packages()
        building = {"extras": sorted({*extras, *stamp.get("extras", [])}), "system": bool(system)}
        update = stamp.get("inputs", {}).get("tied_to") == inputs["tied_to"] and stamp["system"] == building["system"]
        say(f"{'Updating' if update else 'Building'} {VENV.name} with Python {sys.version.split()[0]}")
        if not update or not PYTHON.exists():
            clear_venv()
        write_stamp(building)
        try:
            install(building["extras"], system, lock)
        except NoNetworkError:
            if update:
                write_stamp(stamp)
            raise
        write_stamp({**building, "inputs": inputs})


@contextlib.contextmanager
def hold_lock():
    """Keeps a second set-up of this folder waiting; installers inherit the lock, so one that outlives us holds it."""
    with open(__file__, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up of this folder is under way: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def clear_venv() -> None:
    """Leaves an empty folder; one that is half removed is never taken for an environment."""
    old = ROOT / ".venv.old"
    shutil.rmtree(old, ignore_errors=True)
    if VENV.exists():
        VENV.rename(old)
        shutil.rmtree(old)
    VENV.mkdir()


def find_system_packages() -> dict:
    """Returns the names and folders of all packages of a Python with a fitting torch that sees a GPU; else nothing."""
    probe = """
import importlib.metadata, json, sys, torch
assert (2, 11) <= tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 15) and torch.cuda.is_available()
names = [each.metadata["Name"] for each in importlib.metadata.distributions()]
print(json.dumps({"names": names, "folders": [each for each in sys.path if each.endswith("-packages")]}))
"""
    done = subprocess.run([BASE, "-c", probe], capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}


def install(extras: list, system: dict, lock: int) -> None:
    """Fills the environment with uv or, where it cannot be had or fails, with pip."""
    installers = {"uv": install_with_uv, "pip": install_with_pip}
    names = (os.environ.get("OCTAVO_INSTALLER") or ("pip" if system else "uv pip")).split()
    if not set(names) <= set(installers):
        raise SetupError(f"OCTAVO_INSTALLER is {' '.join(names)!r}: set it to uv or pip, or unset it")
    if not PYTHON.exists():
        run([BASE, "-m", "venv", "--without-pip", str(VENV)], lock, "python3 cannot make .venv")
    if system:
        say("This Python has torch and a GPU: its packages stay as they are, only missing ones are added")
        # Not --system-site-packages, which would skip a virtual environment that we are called from.
        for site in VENV.glob("lib/python*/site-packages"):
            (site / "system.pth").write_text("\n".join(system["folders"]), encoding="utf-8")
    target = f".[{','.join(extras)}]" if extras else "."
    for name in names[:-1]:
        try:
            return installers[name](target, system, lock)
        except InstallerError as error:
            say(f"{error}. Going on with {names[-1]}")
    return installers[names[-1]](target, system, lock)


def find_uv(lock: int) -> str:
    """Returns a uv that runs: the one on PATH, the one fetched earlier, or one that pip fetches now."""
    fetched = str(TOOLS / "bin" / "uv")
    for candidate in (shutil.which("uv"), fetched):
        if candidate and runs_uv(candidate):
            return candidate
    shutil.rmtree(TOOLS, ignore_errors=True)
    run([*PIP, "--retries", "1", "install", "-q", "--target", str(TOOLS), "uv>=0.8,<1"], lock, "pip cannot fetch uv")
    if runs_uv(fetched):
        return fetched
    raise InstallerError("the uv that pip fetched does not run here")


def runs_uv(path: str) -> bool:
    """Says whether this is a uv of at least 0.8, the oldest that knows every option used here."""
    try:
        text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(part) for part in text.split()[1].split(".")[:2]) >= (0, 8)
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return False


def read_pip_setting(name: str) -> list:
    """Returns the values of one of pip's settings, from its variable or else its files; uv reads neither."""
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if value is None:
        value = subprocess.run([*PIP, "config", "get", f"global.{name}"], capture_output=True, text=True).stdout
    return value.split()


def install_with_uv(target: str, _system: dict, lock: int) -> None:
    """Fills the environment with uv, and compiles all bytecode where Python is told not to write it when it imports."""
    uv, links, env = find_uv(lock), read_pip_setting("find-links"), dict(os.environ)
    command = [uv, "pip", "install", "--python", str(PYTHON), "-c", str(CONSTRAINTS)]
    command += ["--compile-bytecode"] * sys.dont_write_bytecode
    command += ["-e", target, *(flag for link in links for flag in ("--find-links", link))]
    command += ["--no-index"] * (read_pip_setting("no-index") in (["1"], ["true"], ["yes"]))
    for pip_name, uv_name in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        for value in read_pip_setting(pip_name):
            env.setdefault(uv_name, value)
    wheel = "torch-*-cp{}{}-*.whl".format(*sys.version_info)
    if not any(next(Path(link).glob(wheel), None) for link in links) and "UV_TORCH_BACKEND" not in env:
        try:  # the build for this machine's GPU, or the small one without; it lies in a registry of its own
            return run([*command, "--torch-backend", "auto"], lock, "uv cannot find a torch made for this machine", env)
        except (NoNetworkError, InstallerError) as error:
            say(f"{error}. Going on with the registry's own")
    return run(command, lock, "uv cannot install the packages", env)


def install_with_pip(target: str, system: dict, lock: int) -> None:
    """Fills the environment with pip; what is in ``system`` keeps the version it has."""
    held = {re.sub("[._]", "-", name.lower()) for name in system.get("names", ())}
    pins = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    constraints = VENV / "constraints.txt"
    constraints.write_text("\n".join(pin for pin in pins if pin.split("==")[0] not in held), encoding="utf-8")
    command = [*PIP, "--python", str(PYTHON), "install", "-c", str(constraints), "-e", target]
    run(command, lock, "pip cannot install the packages")


def run(command: list, lock: int, trouble: str, env: dict | None = None) -> None:
    """Runs an installer, shows its main lines as they come, and raises one line where it fails."""
    lines = []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, cwd=ROOT, env=env, pass_fds=(lock,), **pipes) as child:
        for line in child.stdout:
            lines.append(line.strip())
            if not line.startswith((" ", "warning", "WARNING", "Requirement already")):
                say("  " + line.rstrip())
    if child.returncode == 0:
        return
    text = "\n".join(lines).lower()
    if re.search(DISK_FULL, text):
        raise SetupError(f"{trouble}: the disk is full: free 3 GB, then try again")
    if re.search(NO_NETWORK, text):
        raise NoNetworkError(f"{trouble}: no package registry can be reached: check the network, then try again")
    raise InstallerError(f"{trouble}: {next((line for line in reversed(lines) if line), 'no reason given')}")


def main(arguments: list) -> int:
    """Runs one command in the environment and returns its exit code."""
    if not arguments or arguments[0] not in COMMANDS:
        raise SetupError(f"got {arguments[:1] or 'nothing'} for a command: give one of {', '.join(COMMANDS)}")
    extras, (*first, last) = COMMANDS[arguments[0]]
    prepare(extras)
    failed = [step for step in first if subprocess.run([PYTHON, *step], cwd=ROOT).returncode]
    for step in failed:
        say(f"FAILED: python {' '.join(step)}")
    command = [str(PYTHON), *last, *arguments[1:]]
    if not first:
        os.execv(PYTHON, command)
    return subprocess.run(command, cwd=ROOT).returncode or bool(failed)


if __name__ == "__main__":
    try:
        use_supported_python()
        sys.exit(main(sys.argv[1:]))
    except (SetupError, OSError) as error:
        sys.exit(f"octavo set-up: {error}")
    except KeyboardInterrupt:
        say("Interrupted: the next call takes it up again")
        sys.exit(130)
