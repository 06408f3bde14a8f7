"""Forty ways in which ``octavo serve`` cannot start: each says why in a line or two, and what to do about it."""

import importlib.resources
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.promises.promise import Promise, count

SECONDS = 120
SCREEN_LINES, SCREEN_COLUMNS = 24, 80
# Words with which a message shows the way out.
WAYS_OUT = re.compile(
    r"want|choose|try|install|give|fetch|check|use|leave|remove|lower|convert|did you mean|see octavo|lists them|"
    r"stop it|needs|untie|put|name|download|open",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One broken set-up: its flags, what the message must name, and the exit codes that fit."""

    flags: list[str]
    cause: str
    codes: tuple[int, ...] = (2, 3)
    env: dict[str, str] = field(default_factory=dict)


Prepare = Callable[[Path], Setup]


def model_in(folder: Path) -> Path:
    """A copy of octavo-mini that may be damaged."""
    copy = folder / "model"
    shutil.copytree(Path(str(importlib.resources.files("octavo") / "mini")), copy)
    return copy


def damaged(cause: str, damage: Callable[[Path], None], *flags: str) -> Prepare:
    """octavo-mini after some damage."""

    def prepare(folder: Path) -> Setup:
        model = model_in(folder)
        damage(model)
        return Setup(flags=[str(model), *flags], cause=cause, codes=(3,))

    return prepare


def flags(cause: str, *given: str, code: int = 2, **env: str) -> Prepare:
    """octavo-mini with flags that cannot be."""
    return lambda _: Setup(flags=list(given), cause=cause, codes=(code,), env=env)


def set_field(name: str, value: object) -> Callable[[Path], None]:
    """Changes one field of config.json."""

    def damage(model: Path) -> None:
        path = model / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), name: value}), encoding="utf-8")

    return damage


def cut(name: str, length: int) -> Callable[[Path], None]:
    """Cuts a file off."""
    return lambda model: os.truncate(model / name, length)


def write(name: str, text: bytes) -> Callable[[Path], None]:
    """Overwrites a file."""

    def damage(model: Path) -> None:
        (model / name).write_bytes(text)

    return damage


def drop(name: str) -> Callable[[Path], None]:
    """Takes a file away."""
    return lambda model: (model / name).unlink()


def flip_weights(model: Path) -> None:
    """Changes one byte of the weights."""
    path = next(iter(sorted(model.glob("*.safetensors"))))
    with path.open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        byte = file.read(1)
        file.seek(-1000, os.SEEK_END)
        file.write(bytes([byte[0] ^ 0xFF]))


def missing_shard(model: Path) -> None:
    """An index that names a file that is not there."""
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    for path in model.glob("*.safetensors"):
        path.unlink()


def taken_port(folder: Path) -> Setup:
    """A port on which somebody listens."""
    return Setup(flags=["--port", str(TAKEN.port())], cause="is taken", codes=(2,))


def taken_socket(folder: Path) -> Setup:
    """A Unix socket on which somebody listens."""
    path = folder / "octavo.sock"
    TAKEN.unix(path)
    return Setup(flags=["--uds", str(path)], cause="another server listens there", codes=(2,))


def file_at_socket(folder: Path) -> Setup:
    """A file where a socket should be."""
    path = folder / "octavo.sock"
    path.write_text("mine", encoding="utf-8")
    return Setup(flags=["--uds", str(path)], cause="no socket", codes=(2,))


def empty_folder(folder: Path) -> Setup:
    """A model's folder with nothing in it."""
    return Setup(flags=[str(folder)], cause="neither config.json", codes=(3,))


def keys_of_nothing(folder: Path) -> Setup:
    """A file of keys without a key."""
    (folder / "keys").write_text("# none\n", encoding="utf-8")
    return Setup(flags=["--api-key-file", str(folder / "keys")], cause="holds no key", codes=(2,))


def bad_file_of_flags(text: str, cause: str) -> Prepare:
    """A file of flags that cannot be read."""

    def prepare(folder: Path) -> Setup:
        (folder / "serve.yaml").write_text(text, encoding="utf-8")
        return Setup(flags=["--config", str(folder / "serve.yaml")], cause=cause, codes=(2,))

    return prepare


def bad_tls(folder: Path) -> Setup:
    """A key and a certificate that are none."""
    (folder / "key.pem").write_text("no key", encoding="utf-8")
    (folder / "certificate.pem").write_text("no certificate", encoding="utf-8")
    given = ["--ssl-keyfile", str(folder / "key.pem"), "--ssl-certfile", str(folder / "certificate.pem")]
    return Setup(flags=given, cause="do not make a certificate", codes=(2,))


def full_disk(folder: Path) -> Setup:
    """A trace on a disk without room."""
    return Setup(flags=["--trace-dir", "/dev/full/run.route"], cause="/dev/full", codes=(2,))


def file_at_trace(folder: Path) -> Setup:
    """A trace where a file is."""
    (folder / "run.route").write_text("mine", encoding="utf-8")
    return Setup(flags=["--trace-dir", str(folder / "run.route")], cause="run.route", codes=(2, 3))


class Taken:
    """Sockets that somebody else holds."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def port(self) -> int:
        """A port that is taken."""
        held = socket.create_server(("127.0.0.1", 0))
        self._held.append(held)
        return int(held.getsockname()[1])

    def unix(self, path: Path) -> None:
        """Takes a path."""
        held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        held.bind(str(path))
        held.listen()
        self._held.append(held)


TAKEN = Taken()
SETUPS: tuple[Prepare, ...] = (
    taken_port,
    taken_socket,
    file_at_socket,
    flags("no address of this machine", "--host", "203.0.113.7"),
    flags("no address of this machine", "--host", "no such host"),
    flags("port is 70000", "--port", "70000"),
    flags("Invalid value", "--port", "eighty"),
    flags("no such file", "--ssl-keyfile", "none.pem", "--ssl-certfile", "none.pem"),
    flags("without ssl_certfile", "--ssl-keyfile", "none.pem"),
    bad_tls,
    flags("no Unix socket can be opened there", "--uds", "/no/such/folder/octavo.sock"),
    flags("GPUs here", "--device", "cuda:7"),
    flags("device is 'tpu'", "--device", "tpu"),
    flags("Invalid value", "--dtype", "int3"),
    flags("max_num_seqs is 0", "--max-num-seqs", "0"),
    flags("want at most the model's own", "--max-model-len", "1000000", code=3),
    flags("two smallest pages", "--kv-cache-memory-bytes", "1000", code=3),
    flags("max_queue is -1", "--max-queue", "-1"),
    flags("request_timeout is nan", "--request-timeout", "nan"),
    flags("did you mean max_stops", "--limit", "max_stop=3"),
    flags("want a number", "--limit", "max_stops=many"),
    flags("No such option", "--max-num-sequences", "4"),
    flags("shutdown_timeout is -1", "--shutdown-timeout", "-1"),
    flags("metrics_prefix is", "--metrics-prefix", "my-own"),
    flags("an API key is empty", "--api-key", "two words"),
    flags("No such file", "--api-key-file", "/no/such/keys"),
    keys_of_nothing,
    bad_file_of_flags("prot: 8000\n", "did you mean port"),
    bad_file_of_flags("port: &x 8000\n", "cannot be read"),
    full_disk,
    file_at_trace,
    flags("no folder here and no Hub id", "no/such/model", code=3),
    empty_folder,
    damaged("config.json", drop("config.json")),
    damaged("config.json", write("config.json", b"{")),
    damaged("num_heads 7", set_field("num_attention_heads", 7)),
    damaged("model_type", set_field("model_type", "bert")),
    damaged("model-00001-of-00002.safetensors", missing_shard),
    damaged("model.safetensors", cut("model.safetensors", 5000)),
    damaged("SHA-256", flip_weights),
    damaged("tokenizer.json", write("tokenizer.json", b"{}")),
)


def attempt(prepare: Prepare) -> str:
    """What is wrong with how one set-up fails; empty where it fails as it should."""
    with tempfile.TemporaryDirectory(prefix="octavo-startup-") as name:
        setup = prepare(Path(name))
        env = {name: value for name, value in os.environ.items() if not name.startswith("OCTAVO_")}
        call = [sys.executable, "-m", "octavo", "serve", "--port", "0", *setup.flags]
        child = subprocess.Popen(
            call,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env | setup.env | {"COLUMNS": str(SCREEN_COLUMNS)},
            start_new_session=True,
            cwd=name,
        )
        try:
            told, _ = child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return f"{setup.flags}: it started, or hangs"
        lines = sum(max(1, -(-len(line) // SCREEN_COLUMNS)) for line in told.splitlines())
        problems = [
            f"exit code {child.returncode}" * (child.returncode not in setup.codes),
            f"{lines} lines" * (lines > SCREEN_LINES),
            "a traceback" * ("Traceback" in told),
            "called a bug" * ("this is a bug" in told),
            f"does not name {setup.cause!r}" * (setup.cause not in told),
            "no way out" * (WAYS_OUT.search(told) is None),
            "an orphan" * (not _all_gone(child.pid)),
        ]
        found = ", ".join(filter(None, problems))
        return f"{setup.flags}: {found}: {told.strip()[:400]}" if found else ""


def _all_gone(group: int) -> bool:
    """Whether nothing is left of a process and what it started."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def broken_start_ups(scale: float, seed: int) -> Promise:
    """A server that cannot start (port taken, shard missing, settings bad, disk full, no GPU and so on): the exit code
    is not 0 but the one that is documented, and at most one screen names the cause and the next step."""
    tried = count(len(SETUPS), scale)
    chosen = random.Random(seed).sample(SETUPS, tried)
    troubles = list(filter(None, map(attempt, chosen)))
    for trouble in troubles:
        print(trouble, file=sys.stderr, flush=True)
    return Promise(name="broken start-ups", tried=tried, failed=len(troubles))


PROMISES = (broken_start_ups,)
