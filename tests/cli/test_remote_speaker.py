"""A talk with a server looks like one with a model here: streamed, coloured where the server tells of its routing."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from octavo.cli.flags import SamplingFlags
from octavo.cli.remote_speaker import settings_of
from tests.cli.conftest import Run
from tests.client.pretended import Pretended, listening


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("OCTAVO_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with listening(Pretended()) as found:
        yield found


def test_an_answer_of_a_server_is_written(octavo: Run, url: str) -> None:
    done = octavo("chat", "--url", url, stdin="a quick fox\n")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "A QUICK FOX\n"


def test_it_is_coloured_by_the_experts_of_a_layer(octavo: Run, url: str) -> None:
    done = octavo("chat", "--url", url + "/v1", "shouter", "-p", "a quick fox", "--experts", "1")
    # The last word was chosen but read by nobody.
    assert done.stdout.startswith("A₀ QUICK₁ FOX\n")
    assert "layer 1, first choice of 2 tokens" in done.stdout


def test_json_is_the_servers_own_document(octavo: Run, url: str) -> None:
    found = json.loads(octavo("chat", "--url", url, "-p", "a", "-p", "b", "--json").stdout)
    assert [message["content"] for message in found["messages"]] == ["a", "A", "b", "B"]
    assert found["model"] == "shouter"
    assert found["answers"][1]["usage"]["prompt_tokens"] == 7
    assert found["answers"][1]["choices"][0]["routed_experts"]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["whisperer"], "it has shouter"),
        (["--experts", "3"], "layers are 0 to 2"),
        (["--dtype", "float32"], "--dtype loads a model here"),
        (["--n", "2"], "--n is 2"),
    ],
)
def test_what_cannot_be_is_one_line(octavo: Run, url: str, flags: list[str], found: str) -> None:
    done = octavo("chat", "--url", url, "-p", "a", *flags)
    assert done.exit_code == 2
    assert found in done.stderr
    assert done.stderr.count("\n") == 1


def test_experts_of_a_server_that_tells_none_are_refused(octavo: Run) -> None:
    with listening(Pretended(tells_routing=False)) as url:
        assert octavo("chat", "--url", url, "-p", "a").stdout == "A\n"
        done = octavo("chat", "--url", url, "-p", "a", "--experts", "0")
    assert "tells nothing of its routing" in done.stderr


def test_nobody_there_is_one_line(octavo: Run) -> None:
    done = octavo("chat", "--url", "http://127.0.0.1:9", "-p", "a")
    assert done.exit_code == 2
    assert "nothing answers at http://127.0.0.1:9" in done.stderr


def test_a_talk_with_a_server_needs_no_torch(url: str) -> None:
    call = [sys.executable, "-X", "importtime", "-m", "octavo", "chat", "--url", url, "-p", "a b"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout == "A B\n"
    assert "| torch\n" not in done.stderr.replace("|   ", "| ")


def test_only_settings_that_were_changed_are_sent() -> None:
    assert settings_of(SamplingFlags()) == {"max_tokens": 128, "temperature": 1.0}
    found = settings_of(SamplingFlags(top_k=5, stop=["x"], temperature=0))
    assert found == {"max_tokens": 128, "temperature": 0, "top_k": 5, "stop": ["x"]}
