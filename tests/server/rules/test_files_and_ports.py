"""Rules R4, R5, R11 and R13: no pickle, no code from a folder, no open port, and folders of one's own."""

import ast
import base64
import json
import os
import pickle
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
import torch

from benchmarks.promises.served import Served, family
from octavo.checkpoint import save_model
from octavo.errors import OctavoError
from octavo.model import Transformer
from octavo.server.backend.link import MOST_BYTES, Deframer, LinkBroken
from octavo.server.settings import DoorSettings
from octavo.server.telemetry.traffic import _make

ROOT = Path(__file__).parent.parent.parent.parent
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


WIDE = ("0.0.0.0", "::", "MASTER_ADDR")  # noqa: S104


class Trap:
    """Leaves a mark wherever it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_rule_R4_nothing_of_ours_can_unpickle_CVE_2025_62164_CVE_2026_3059_GHSA_x3m8_f7g5_qhm7() -> None:
    found = []
    for path in (ROOT / "octavo").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [f"{name} imports {each.name}" for each in node.names if each.name.split(".")[0] in PICKLES]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
                found.append(f"{name} imports {node.module}")
            elif isinstance(node, ast.Call) and any(
                word.arg == "allow_pickle" and not (isinstance(word.value, ast.Constant) and word.value.value is False)
                for word in node.keywords
            ):
                found += [f"{name}:{node.lineno} allow_pickle"] * ("numpy" in name or "load" in ast.unparse(node.func))
            # Queues, pipes and pools of processes, and objects gathered between ranks, unpickle what arrives.
            elif isinstance(node, ast.Attribute) and node.attr in {"all_gather_object", "broadcast_object_list"}:
                found.append(f"{name}:{node.lineno} {node.attr}")
    known = {each for each in found if each.startswith(("octavo/collect/", "octavo/training/", "octavo/cli/"))}
    # Between the ranks of one job, which trust each other (SECURITY.md); never in the server, engine or a reader.
    assert set(found) - known == set()


def test_rule_R4_a_pickle_on_the_link_is_no_message(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = pickle.dumps(Trap(mark))
    for body in (evil, msgpack.packb(msgpack.ExtType(1, evil)), msgpack.packb([evil]), msgpack.packb({"add": evil})):
        with pytest.raises(LinkBroken):
            Deframer().feed(struct.pack(">I", len(body)) + body)
    with pytest.raises(LinkBroken):
        Deframer().feed(struct.pack(">I", MOST_BYTES + 1))
    assert not mark.exists()


def test_rule_R4_what_a_user_can_send_is_not_unpickled_CVE_2026_86793(served: Served, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = base64.b64encode(pickle.dumps(Trap(mark))).decode()
    for fields in ({"prompt_embeds": evil}, {"prompt": evil, "extra": evil}, {"prompt": "a", "user": evil}):
        served.ask("/v1/completions", {"max_tokens": 1, **fields})
    assert not mark.exists()


def test_rule_R5_a_model_folder_runs_no_code_CVE_2026_22807_CVE_2026_27893(sparse: Transformer, tmp_path: Path) -> None:
    folder, mark = tmp_path / "model", tmp_path / "mark"
    save_model(sparse, folder)
    code = f"import os\nos.mkdir({str(mark)!r})\n"
    for name in (
        "modeling_evil.py",
        "configuration_evil.py",
        "tokenization_evil.py",
        "__init__.py",
        "sitecustomize.py",
    ):
        (folder / name).write_text(code)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "configuration_evil.C", "AutoModelForCausalLM": "modeling_evil.M"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(mark)))
    (folder / "octavo-manifest.json").unlink(missing_ok=True)
    script = f"from octavo import LLM\nLLM({str(folder)!r}, device='cpu')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert not mark.exists()
    assert done.returncode == 0 or "octavo.errors" in done.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "octavo", "serve", "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "trust" not in shown.stdout


def test_rule_R11_one_port_on_the_loopback_address_and_no_other(served: Served) -> None:
    listening = set()
    for pid in family(served.child.pid):
        inodes = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
        for table in ("tcp", "tcp6", "udp", "udp6"):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                part = line.split()
                # 0A is a socket that listens; one for datagrams always does.
                if f"socket:[{part[9]}]" in inodes and (part[3] == "0A" or table.startswith("udp")):
                    listening.add((table, part[1]))
    loopback = socket.inet_aton("127.0.0.1")[::-1].hex().upper()
    assert listening == {("tcp", f"{loopback}:{served.port:04X}")}
    assert len(family(served.child.pid)) > 1


def test_rule_R11_no_address_but_the_loopback_s_is_written_down() -> None:
    assert DoorSettings().host == "127.0.0.1"
    found = []
    for path in (ROOT / "octavo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            wide = isinstance(node, ast.Constant) and node.value in WIDE
            named = isinstance(node, ast.Attribute) and node.attr in ("TCPStore", "FileStore", "init_rpc")
            found += [path.name] * (wide or named)
    # The door only tells people which address to type for those. Where ranks meet is torchrun's and the operator's to
    # say, and the guide says which network it wants.
    assert set(found) <= {"door.py"}
    assert "torchrun" in (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_rule_R13_a_trace_of_live_traffic_is_its_owner_s(tmp_path: Path) -> None:
    made = _make(tmp_path / "traces")
    for folder in (made, made.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_rule_R13_the_demonstration_s_cache_is_its_owner_s() -> None:
    text = (ROOT / "octavo" / "collect" / "demonstration.py").read_text(encoding="utf-8")
    assert "mode=0o700" in text


def test_rule_R13_no_folder_that_could_run_code_is_written() -> None:
    found = []
    for path in (ROOT / "octavo").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found += [path.name for word in ("distributed.checkpoint", "torch.save(", "py_compile") if word in text]
    # Neither sharded checkpoints of torch, whose metadata is a pickle, nor caches of compiled code.
    assert found == []
    assert issubclass(LinkBroken, OctavoError)
    assert torch.__version__
