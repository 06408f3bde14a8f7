"""Demonstration: the texts that the package brings and some of Python's library become a trace and its report, once.

    CACHE/octavo/demo/demo.route, report.html, and made-of.json, which says what they were made of

They are kept, and used again while texts, model and versions are the same. CACHE is XDG_CACHE_HOME or ~/.cache, or a
folder of the user's own among the temporary files where that cannot be written.
"""

import fcntl
import hashlib
import importlib.resources
import json
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.report import open_told, write_report
from octavo.api.llm import LLM
from octavo.collect.sources import Source, find_sources
from octavo.collect.tracing import Job, manifest_of_job, trace
from octavo.collect.windows import Limits
from octavo.errors import TraceError

LIBRARY = "python_library"
# Small modules that all supported Pythons have; the limit keeps later, longer ones to the same amount.
MODULES = ("bisect", "codeop", "colorsys", "fnmatch", "keyword", "linecache", "reprlib", "sched")
LIMITS = {"max_tokens": 20_000, "max_tokens_per_domain": 12_000}
MADE_OF = "made-of.json"

Tell = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The report, its trace, and whether they were made just now."""

    report: Path
    trace: Path
    fresh: bool
    num_tokens: int
    num_domains: int


def sample_sources() -> list[Source]:
    """The texts of the package, a folder a domain, and the modules of Python's library that are there as text."""
    samples = Path(str(importlib.resources.files("octavo") / "samples"))
    library = Path(sysconfig.get_path("stdlib"))
    modules = [library / f"{name}.py" for name in MODULES]
    held = [Source(path=path, domain=LIBRARY, name=f"python/{path.name}") for path in modules if path.is_file()]
    return [*find_sources([samples]), *held]


def demonstrate(llm: LLM, *, model: str, folder: Path, cache: Path | None = None, tell: Tell | None = None) -> Kept:
    """Makes the report of the samples, or finds the one that was made of the same before.

    Raises TraceError where pyarrow is missing or no folder can be written.
    """
    tell = tell or _say_nothing
    context = min(llm.max_model_len, 2048)
    job = Job(sources=sample_sources(), model=model, folder=folder, limits=Limits(context=context, **LIMITS))
    made_of = _made_of(manifest_of_job(llm, job))
    home = (cache or cache_folder()) / "demo"
    with _locked(home):
        told = _read(home / MADE_OF)
        if told.get("made_of") != made_of or not (home / "report.html").is_file():
            told = {"made_of": made_of, **_make(llm, job, home, tell)}
            (home / MADE_OF).write_text(json.dumps(told), encoding="utf-8")
            return _kept(home, told, fresh=True)
    return _kept(home, told, fresh=False)


def _make(llm: LLM, job: Job, home: Path, tell: Tell) -> dict[str, int]:
    for name in ("demo.route", "report.html", MADE_OF):
        path = home / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    traced = trace(llm, job, home / "demo.route", tell=lambda share, _: tell("tracing the samples", share))
    write_report(
        open_told(home / "demo.route"),
        home / "report.html",
        title="octavo demo",
        tell=lambda _, done, total: tell("writing the report", done / max(total, 1)),
    )
    return {"num_tokens": traced.num_tokens, "num_domains": len(traced.held)}


def cache_folder() -> Path:
    """The user's own folder for what can be made again. Raises TraceError where no folder can be written."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    candidates = [Path(named) if named.startswith("/") else Path.home() / ".cache"]
    candidates.append(Path(tempfile.gettempdir(), f"octavo-{os.getuid()}"))
    for candidate in candidates:
        try:
            made = candidate / "octavo"
            made.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Among the temporary files another user may have been faster: nothing of theirs is followed.
            if os.access(made, os.W_OK) and candidate.lstat().st_uid == made.lstat().st_uid == os.getuid():
                return made
        except OSError:
            continue
    raise TraceError(f"no folder for the report: want {candidates[0]} or {candidates[1]} to be writable")


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Lets one process at a time make or look."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise TraceError(f"{error.filename or home} cannot be written ({error.strerror}): make room there") from None


def _made_of(manifest: TraceManifest) -> dict[str, Any]:
    """What a report depends on: all that its trace's manifest says, and the code that reads a trace."""
    code = hashlib.sha256()
    for path in sorted(Path(str(importlib.resources.files("octavo") / "analysis")).rglob("*")):
        if path.suffix in (".py", ".html"):
            code.update(path.read_bytes())
    stated: dict[str, Any] = json.loads(json.dumps(asdict(manifest)))
    return {"manifest": stated, "code": code.hexdigest()}


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _kept(home: Path, told: dict[str, Any], *, fresh: bool) -> Kept:
    return Kept(
        report=home / "report.html",
        trace=home / "demo.route",
        fresh=fresh,
        num_tokens=told["num_tokens"],
        num_domains=told["num_domains"],
    )


def _say_nothing(_: str, __: float) -> None:
    """Where nobody looks, nothing is shown."""
