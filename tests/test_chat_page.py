"""The page that ``octavo serve`` shows, in a real browser: web/tests/chat drive it in headless Chromium.

Faults and hostile texts come from a stand-in that speaks the server's wire format; the rest is ``octavo serve`` itself.
"""

import json
import re
from collections.abc import Iterator

import pytest

from benchmarks.promises.served import serving
from tests.analysis.report.hostile import hostile_strings
from tests.browsing import build_page, need, run_node_tests
from tests.pretended_server import PAGE, StandIn, recorded

KEY = "a-key-for-this-test"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    need(browser=True)
    with StandIn(recorded(), hostile=hostile_strings()) as standing:
        yield standing


def test_the_committed_chat_page_is_what_the_sources_build_to() -> None:
    done = build_page("vite.chat.config.ts", "scripts/chat.mjs")
    assert done.returncode == 0, done.stderr


def test_the_chat_page_is_small_and_all_its_own() -> None:
    files = {path.relative_to(PAGE).as_posix(): path.read_text(encoding="utf-8") for path in PAGE.rglob("*.*")}
    style, script = (next(name for name in files if name.endswith(kind)) for kind in (".css", ".js"))
    assert sorted(files) == sorted([style, script, "favicon.svg", "index.html"])
    assert sum(map(len, files.values())) < 150_000
    page = files["index.html"]
    assert re.findall(r"<script\b[^>]*>(.*?)</script>", page, re.DOTALL) == [""]
    assert "<style" not in page and " style=" not in page and " on" not in "".join(re.findall(r"<[^>]*>", page))
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["favicon.svg", style, script]
    assert re.findall(r"url\((?!data:)[^)]*\)|@import", files[style]) == []
    # Namespaces and the addresses of error messages are names; nothing is fetched from them.
    assert set(re.findall(r"https?://([\w.-]+)", files[script])) <= {"www.w3.org", "svelte.dev"}


def test_the_chat_page_can_be_heard_and_reached_without_a_mouse(stand_in: StandIn) -> None:
    run_node_tests(["tests/chat/access.test.mjs"], OCTAVO_URL=stand_in.url)


def test_the_chat_page_on_octavo_serve() -> None:
    need(browser=True)
    with serving() as served:
        run_node_tests(["tests/chat/chat.test.mjs"], OCTAVO_URL=f"{served.url}/")


def test_octavo_serve_asks_for_its_key() -> None:
    need(browser=True)
    with serving(env={"OCTAVO_API_KEY": KEY}) as served:
        run_node_tests(["tests/chat/key.test.mjs"], OCTAVO_URL=f"{served.url}/", OCTAVO_KEY=KEY)


def test_every_fault_is_told_in_a_line_with_a_way_on(stand_in: StandIn) -> None:
    run_node_tests(["tests/chat/faults.test.mjs"], OCTAVO_URL=stand_in.url)


def test_a_thousand_hostile_strings_are_text_and_nothing_else(stand_in: StandIn) -> None:
    strings = stand_in.hostile
    assert len(strings) == len(set(strings)) == 1000
    run_node_tests(["tests/chat/hostile.test.mjs"], OCTAVO_URL=stand_in.url, OCTAVO_HOSTILE=json.dumps(len(strings)))
