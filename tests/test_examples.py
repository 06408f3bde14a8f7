"""The examples run as they stand: each against a real server, or read by the program that it is for.

One whose program is not here skips itself. OCTAVO_CLIENT_TESTS=1 builds the environments of clients that are missing.
"""

import http.client
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.clients.environments import is_built, node_folder, python_of, quiet_env
from benchmarks.promises.served import Served, serving
from octavo.client.batch_lines import read_lines
from tests.client.pretended import Pretended, listening

EXAMPLES = Path(__file__).parent.parent / "examples"
KEY = "example-key"
WORDS = "one two three four five six seven eight"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving("--api-key", KEY, env={"OMP_NUM_THREADS": "1"}) as found:
        yield found


def run(*call: object) -> str:
    done = subprocess.run(
        list(map(str, call)), env=quiet_env(OCTAVO_API_KEY=KEY), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def wants(client: str) -> None:
    if not is_built(client) and os.environ.get("OCTAVO_CLIENT_TESTS") != "1":
        pytest.skip(f"{client} is not here: python -m benchmarks.clients.environments {client}")


def check_client(printed: str) -> None:
    assert printed.startswith("octavo-mini goes on:")
    rows = re.search(r"chose first: \[?([-\d, ]+)", printed)
    assert rows is not None
    experts = [int(each) for each in rows[1].split(",")]
    assert len(experts) == 12
    assert experts[-1] == -1


def test_the_openai_client_for_python(served: Served) -> None:
    printed = run(sys.executable, EXAMPLES / "openai_client.py", f"{served.url}/v1")
    check_client(printed)
    assert printed.rstrip().endswith("tokens")


def test_the_openai_client_for_node(served: Served) -> None:
    wants("node")
    folder = node_folder()
    shutil.copy(EXAMPLES / "openai_client.mjs", folder / "example.mjs")
    check_client(run("node", folder / "example.mjs", f"{served.url}/v1"))


def test_langchain(served: Served) -> None:
    wants("langchain")
    answers = run(python_of("langchain"), EXAMPLES / "langchain_client.py", f"{served.url}/v1").splitlines()
    assert len(answers) == 2
    assert all(answer.strip() for answer in answers)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl(served: Served) -> None:
    printed = run("sh", EXAMPLES / "curl.sh", served.url)
    for part in ('"octavo-mini"', '"routed_experts"', "data: [DONE]", '"since_start"'):
        assert part in printed


def test_the_batch_file_is_one_and_is_answered(tmp_path: Path, served: Served) -> None:
    lines = list(read_lines(EXAMPLES / "batch.jsonl"))
    assert [line.trouble for line in lines] == [""] * 3
    out = tmp_path / "answers.jsonl"
    files = ("-i", EXAMPLES / "batch.jsonl", "-o", out)
    assert "3 requests answered" in run(sys.executable, "-m", "octavo", "run-batch", *files, "--url", served.url)
    assert out.read_text(encoding="utf-8").count('"status_code": 200') == 3


@pytest.fixture
def nginx_folder(tmp_path: Path) -> Path:
    """A folder for nginx to work in; as root it works as another user."""
    (tmp_path / "logs").mkdir()
    return tmp_path


def nginx_call(folder: Path, port: int, behind: str) -> list[str]:
    """A call of nginx with the example, moved to ports and files of ours."""
    text = (EXAMPLES / "nginx.conf").read_text(encoding="utf-8")
    moved = {
        "127.0.0.1:8000": behind.removeprefix("http://"),
        "127.0.0.1:8080": f"127.0.0.1:{port}",
        "/run/nginx.pid": str(folder / "pid"),
    }
    for old, new in moved.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    return ["nginx", "-c", str(path), "-p", str(folder), "-e", str(folder / "logs" / "error.log"), "-g", "daemon off;"]


def free_port() -> int:
    with http.client.socket.socket() as taken:  # type: ignore[attr-defined]
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not here")
def test_a_stream_comes_through_nginx_piece_by_piece(nginx_folder: Path) -> None:
    with listening(Pretended(seconds=0.15)) as behind:
        port = free_port()
        call = nginx_call(nginx_folder, port, behind)
        subprocess.run([*call, "-t"], check=True, capture_output=True)
        with subprocess.Popen(call, stderr=subprocess.DEVNULL) as child:
            try:
                arrivals = stream_through(port)
            finally:
                child.terminate()
    assert len(arrivals) == len(WORDS.split()) + 1
    # Held back, they would all have come at once in the end.
    assert arrivals[-1] - arrivals[0] > 0.5


def stream_through(port: int) -> list[float]:
    """When each line of data came."""
    end = time.monotonic() + 20
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/v1/completions", f'{{"prompt": "{WORDS}", "stream": true}}')
            break
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.05)
    answer = connection.getresponse()
    assert answer.status == 200
    arrivals = [time.monotonic() for line in iter(answer.readline, b"") if line.startswith(b"data:")]
    connection.close()
    return arrivals


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_takes_the_service() -> None:
    call = ["systemd-analyze", "verify", "--man=no", str(EXAMPLES / "octavo.service")]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "octavo.service" not in done.stderr
