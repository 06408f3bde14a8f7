"""The set-up in a throwaway folder: a real venv, and installers that only pretend, so that nothing is downloaded."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bootstrap
from tests.pretended import TORCH, House, make_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return make_house(tmp_path / "house")


def test_the_first_call_builds_and_the_second_starts_at_once(house: House) -> None:
    assert house.call("octavo", "a", "b")[:2] == (0, "hi a b\n")
    assert len(house.calls()) == 1
    started = time.monotonic()
    code, output, errors = house.call()
    assert (code, output, errors) == (0, "hi\n", "")
    assert time.monotonic() - started < 3
    assert len(house.calls()) == 1


def test_uv_is_told_the_constraints_and_pips_links(house: House) -> None:
    house.call()
    (call,) = house.calls()
    assert f"-c {house.root / 'constraints.txt'}" in call
    assert f"--find-links {house.root / 'links'}" in call
    assert "-e . " in call


@pytest.mark.parametrize("told", ["", "1"])
def test_bytecode_is_compiled_where_python_is_told_not_to_write_it(house: House, told: str) -> None:
    house.call(PYTHONDONTWRITEBYTECODE=told)
    assert ("--compile-bytecode" in house.calls()[0]) == bool(told)


def test_torch_comes_from_a_link_folder_that_holds_it_and_else_fits_the_machine(house: House) -> None:
    house.call()
    assert "--torch-backend" not in house.calls()[-1]
    (house.root / "links" / TORCH).rename(house.root / "links" / TORCH.replace("cp3", "cp2"))
    shutil.rmtree(house.root / ".venv")
    house.call()
    assert house.calls()[-1].endswith("--torch-backend auto")


def test_torch_comes_from_the_registry_where_its_own_cannot_be_reached(house: House) -> None:
    (house.root / "links" / TORCH).unlink()
    code, _, errors = house.call(PRETEND_UV="dns error")
    assert code == 1
    assert "Going on with the registry's own" in errors
    assert ["--torch-backend" in call for call in house.calls()] == [True, False]


def test_the_demo_brings_what_its_report_needs(house: House) -> None:
    house.call("demo")
    assert "-e .[trace] " in house.calls()[0] + " "
    assert house.stamp()["extras"] == ["trace"]


def test_more_extras_are_added_and_never_dropped(house: House) -> None:
    house.call()
    house.call("python", "-c", "")
    house.call()
    assert [re.search(r"-e (\S+)", call)[1] for call in house.calls()] == [".", ".[test]"]
    assert house.stamp()["extras"] == ["test"]


@pytest.mark.parametrize(
    ("name", "text", "calls"), [("constraints.txt", "rich==15.0.1\n", 2), ("pyproject.toml", "line-length = 99\n", 1)]
)
def test_only_a_change_that_an_install_can_see_leads_to_one(house: House, name: str, text: str, calls: int) -> None:
    house.call()
    with (house.root / name).open("a") as file:
        file.write(text)
    assert house.call()[1] == "hi\n"
    assert len(house.calls()) == calls


def test_a_folder_that_was_moved_is_built_afresh(house: House, tmp_path: Path) -> None:
    house.call()
    moved = House(root=house.root.rename(tmp_path / "moved"))
    code, output, errors = moved.call()
    assert (code, output) == (0, "hi\n")
    assert "Building .venv" in errors


@pytest.mark.parametrize("survivor", ["nobody", "installer"])
def test_a_killed_build_is_taken_up_again(house: House, survivor: str) -> None:
    child = house.start(PRETEND_UV="slow")
    house.wait_for_mark()
    if survivor == "nobody":
        os.killpg(child.pid, signal.SIGKILL)
    with child:
        child.kill()
    assert "inputs" not in house.stamp()
    code, output, errors = house.call()
    assert (code, output) == (0, "hi\n")
    assert ("waiting" in errors) == (survivor == "installer")
    assert "Building .venv" in errors
    assert (house.root / ".venv" / "mark").read_text() == "whole"


def test_control_c_ends_with_one_line_and_the_next_call_repairs(house: House) -> None:
    child = house.start(PRETEND_UV="slow")
    house.wait_for_mark()
    os.killpg(child.pid, signal.SIGINT)
    _, errors = child.communicate()
    assert child.returncode == 130
    assert errors.splitlines()[-1] == "Interrupted: the next call takes it up again"
    assert house.call()[:2] == (0, "hi\n")


def test_two_calls_at_once_build_once(house: House) -> None:
    pair = [house.start(PRETEND_UV="slow") for _ in range(2)]
    assert [child.communicate()[0] for child in pair] == ["hi\n", "hi\n"]
    assert len(house.calls()) == 1


@pytest.mark.parametrize(
    ("trouble", "line"),
    [
        (
            "dns error: failed to lookup address",
            "no package registry can be reached: check the network, then try again",
        ),
        ("write failed: No space left on device (os error 28)", "the disk is full: free 3 GB, then try again"),
    ],
)
def test_a_trouble_that_pip_shares_ends_in_one_line(house: House, trouble: str, line: str) -> None:
    code, output, errors = house.call(PRETEND_UV=trouble)
    assert (code, output) == (1, "")
    assert errors.splitlines()[-1] == f"octavo set-up: uv cannot install the packages: {line}"
    assert "Traceback" not in errors
    assert house.call()[:2] == (0, "hi\n")


def test_an_update_without_network_keeps_what_was_there(house: House) -> None:
    house.call()
    code, _, errors = house.call("python", PRETEND_UV="error sending request")
    assert code == 1
    assert "no package registry" in errors
    assert house.call()[:2] == (0, "hi\n")
    assert len(house.calls()) == 2


def test_pip_takes_over_where_uv_fails(house: House) -> None:
    code, output, errors = house.call(PRETEND_UV="no solution found")
    assert (code, output) == (0, "hi\n")
    assert "uv cannot install the packages: error: no solution found. Going on with pip" in errors
    assert [call.split()[0] for call in house.calls()] == ["uv", "pip"]


@pytest.mark.parametrize("present", ["none", "0.4.2", "nonsense"])
def test_uv_is_fetched_where_there_is_none_that_fits(house: House, present: str) -> None:
    if present == "none":
        (house.root / "bin" / "uv").unlink()
    else:
        (house.root / "bin" / "uv").write_text(f"#!{sys.executable}\nprint('uv {present}')")
    assert house.call()[:2] == (0, "hi\n")
    fetch, install = house.calls()
    assert fetch.startswith("pip") and "--target" in fetch
    assert install.startswith("uv")


def test_pip_alone_can_be_asked_for(house: House) -> None:
    assert house.call(OCTAVO_INSTALLER="pip")[:2] == (0, "hi\n")
    assert [call.split()[0] for call in house.calls()] == ["pip"]


def test_a_python_with_torch_and_a_gpu_keeps_its_packages(house: House) -> None:
    packages = house.root / "own-packages"
    (packages / "numpy-2.5.0.dist-info").mkdir(parents=True)
    (packages / "numpy-2.5.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: NumPy\nVersion: 2.5.0\n")
    (packages / "torch.py").write_text(
        "class cuda:\n    is_available = staticmethod(lambda: True)\n__version__ = '2.11.0+cu130'\n"
    )
    code, _, errors = house.call(PYTHONPATH=f"{house.root / 'python'}:{packages}")
    assert code == 0
    assert "torch and a GPU" in errors
    assert [call.split()[0] for call in house.calls()] == ["pip"]
    pins = (house.root / ".venv" / "constraints.txt").read_text()
    assert pins == "folio==1.0"
    found = [house.root / ".venv" / "bin" / "python", "-c", "import torch; print(torch.__version__)"]
    assert subprocess.run(found, capture_output=True, text=True, check=True).stdout == "2.11.0+cu130\n"


def test_an_environment_of_somebody_else_is_left_alone(house: House) -> None:
    (house.root / ".venv").mkdir()
    (house.root / ".venv" / "mine").write_text("precious")
    code, _, errors = house.call()
    assert code == 1
    assert "was not built by bootstrap.py: move it away or run 'make clean'" in errors
    assert os.listdir(house.root / ".venv") == ["mine"]


@pytest.mark.parametrize("stamp", ["", "{", '{"extras": []}'])
def test_a_torn_stamp_means_a_fresh_build(house: House, stamp: str) -> None:
    house.call()
    (house.root / ".venv" / ".stamp").write_text(stamp)
    assert house.call()[:2] == (0, "hi\n")
    assert len(house.calls()) == 2


@pytest.mark.parametrize(
    ("arguments", "env", "line"),
    [
        (["fly"], {}, "got ['fly'] for a command: give one of demo, octavo"),
        (["octavo"], {"OCTAVO_INSTALLER": "conda"}, "OCTAVO_INSTALLER is 'conda': set it to uv or pip, or unset it"),
    ],
)
def test_a_wrong_word_gets_one_line(house: House, arguments: list[str], env: dict[str, str], line: str) -> None:
    code, _, errors = house.call(*arguments, **env)
    assert code == 1
    assert errors.splitlines()[-1].startswith(f"octavo set-up: {line}")


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 14, 0)])
def test_an_unfit_python_says_which_one_is_wanted(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(bootstrap.SetupError, match=r"this is Python .*, want 3.11 to 3.13: install one"):
        bootstrap.use_supported_python()


def test_an_unfit_python_hands_over_to_one_that_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, code in (("python3.12", 127), ("python3.11", 0)):  # the first is a shim without a Python behind it
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    handed: list[str] = []
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "execv", lambda path, _: handed.append(path))
    with pytest.raises(bootstrap.SetupError):
        bootstrap.use_supported_python()
    assert handed == [str(tmp_path / "python3.11")]
