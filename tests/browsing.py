"""What tests of pages in a real browser need: node, Chromium, and the packages of ``web/`` (``npm ci`` there).

Without one of them they are skipped, and say which; OCTAVO_PAGE_TESTS=1 makes that a failure, as in continuous
integration.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parent.parent / "web"
CHROMIUM = os.environ.get("OCTAVO_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"


def lacking(*, browser: bool) -> list[str]:
    """What is missing, and how to come by it."""
    found = (
        ("node", shutil.which("node") is not None),
        ("web/node_modules (npm ci in web/)", (WEB / "node_modules").is_dir()),
        (f"{CHROMIUM} (apt-get install chromium)", not browser or Path(CHROMIUM).exists()),
    )
    return [name for name, there in found if not there]


def need(*, browser: bool) -> str:
    """The path of node; skips, or fails where the tests are asked for, when something is missing."""
    if lacks := lacking(browser=browser):
        said = f"the page is not looked at: no {', no '.join(lacks)}"
        if os.environ.get("OCTAVO_PAGE_TESTS"):
            pytest.fail(said)
        pytest.skip(said)
    return str(shutil.which("node"))


def build_page(config: str, script: str) -> subprocess.CompletedProcess[str]:
    """Builds a page and compares it with the committed one; the exit code says whether they are the same."""
    node = need(browser=False)
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version[1:].split(".")[0]) < 20:
        pytest.skip(f"the page is built with node 20.19 or later, here is {version.strip()}")
    vite = [node, "node_modules/vite/bin/vite.js", "build", "--config", config, "--logLevel", "error"]
    subprocess.run(vite, cwd=WEB, check=True)
    return subprocess.run([node, script, "--compare"], cwd=WEB, capture_output=True, text=True, check=False)


def run_node_tests(files: list[str], **env: str) -> None:
    """Runs files of node's tests in web/; fails with what they print."""
    node = need(browser=True)
    assert files
    done = subprocess.run(
        [node, "--test", "--test-concurrency=1", "--test-reporter=tap", *files],
        cwd=WEB,
        env={**os.environ, "OCTAVO_CHROMIUM": CHROMIUM, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
