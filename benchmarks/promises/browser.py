"""The page of ``octavo serve`` in headless Chromium: all it can do on the real server, faults on a stand-in.

The cases are those of web/tests/chat. A seeded share of the hostile strings, and of the files of cases, where the scale
is below 1. Wants node, Chromium, and ``npm ci`` in web/.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys

from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import serving
from tests.analysis.report.hostile import hostile_strings
from tests.browsing import CHROMIUM, WEB, lacking
from tests.pretended_server import StandIn, invented, recorded

ON_THE_SERVER = ("tests/chat/chat.test.mjs", "tests/chat/access.test.mjs")
ON_THE_STAND_IN = ("tests/chat/faults.test.mjs",)
HOSTILE = "tests/chat/hostile.test.mjs"
SECONDS = 900


def browser(scale: float, seed: int) -> Promise:
    """Asking, looking, going on and every fault work on the page, by mouse, keyboard and accessibility tree."""
    files = [*ON_THE_SERVER, *ON_THE_STAND_IN]
    chosen = random.Random(seed).sample(files, count(len(files), scale))
    good = bad = 0
    with serving() as served, StandIn(recorded()) as standing:
        for file in chosen:
            url = served.url + "/" if file in ON_THE_SERVER else standing.url
            told = play(file, url)
            good += len(re.findall(r"^ok ", told, re.MULTILINE))
            bad += len(re.findall(r"^not ok ", told, re.MULTILINE))
    return Promise(name="browser", tried=good + bad, failed=bad, detail={"files": len(chosen)})


def hostile_page(scale: float, seed: int) -> Promise:
    """Strings that were written to break a page are shown as text; none runs, and no request leaves the origin."""
    strings = random.Random(seed).sample(known := hostile_strings(), count(len(known), scale))
    with StandIn([invented(strings[:2])], hostile=strings) as standing:
        told = play(HOSTILE, standing.url, OCTAVO_HOSTILE=str(len(strings)))
    counted = json.loads(found[1]) if (found := re.search(r"^# hostile (\{.*\})$", told, re.MULTILINE)) else {}
    failed = sum(counted.values()) if counted else len(strings)
    # Whatever else that file looks at, such as what the browser refuses, is one failure.
    failed += bool(re.search(r"^not ok ", told, re.MULTILINE)) if failed == 0 else 0
    return Promise(name="hostile strings in the page", tried=len(strings), failed=failed, detail=counted)


def play(file: str, url: str, **env: str) -> str:
    """What node says of one file of cases, as TAP; what failed is told on stderr."""
    if lacks := lacking(browser=True):
        raise RuntimeError(f"the page cannot be looked at: no {', no '.join(lacks)}")
    done = subprocess.run(
        [str(shutil.which("node")), "--test", "--test-reporter=tap", file],
        cwd=WEB,
        env={**os.environ, "OCTAVO_CHROMIUM": CHROMIUM, "OCTAVO_URL": url, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-1000:], file=sys.stderr)
    return done.stdout


PROMISES = (browser, hostile_page)
