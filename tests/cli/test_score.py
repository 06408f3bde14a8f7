"""``octavo score``: how likely texts are, token by token."""

import json
import math
from pathlib import Path

import pytest

from octavo import LLM
from tests.cli.conftest import Run


def test_the_numbers_are_those_of_the_library(octavo: Run, folder: Path) -> None:
    text = "The quick brown fox"
    logprobs = LLM(folder).score(text)[0].logprobs
    nats = -sum(logprob for logprob in logprobs if logprob is not None)
    found = json.loads(octavo("score", "--model", folder, "-p", text, "--json").stdout)["results"][0]
    assert found["logprobs"] == pytest.approx(logprobs)
    assert found["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(text))
    assert found["perplexity"] == pytest.approx(math.exp(nats / (len(logprobs) - 1)))
    assert "".join(found["tokens"]) == "<s>" + text
    assert [len(found[name]) for name in ("token_ids", "routed_experts", "routed_weights")] == [len(logprobs)] * 3


def test_each_text_has_a_row(octavo: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("def area(radius):\n")
    done = octavo("score", path, "-", "--model", folder, "-p", "The dog", stdin="The fox\n")
    assert done.exit_code == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert [row[0] for row in rows[2:]] == ["-p", str(path), "stdin"]
    assert [row[1] for row in rows[2:]] == ["7", "18", "8"]


def test_tokens_can_be_listed_and_coloured(octavo: Run, folder: Path) -> None:
    done = octavo("score", "--model", folder, "-p", "The dog", "--tokens", "--experts", "2")
    assert done.exit_code == 0, done.stderr
    assert "first choice of" in done.stdout
    assert "'<s>'" in done.stdout
    assert "probability" in done.stdout


def test_a_dense_model_scores_too(octavo: Run, dense_folder: Path) -> None:
    done = octavo("score", "--model", dense_folder, "-p", "The dog", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["routed_experts"] is None


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], "no text"),
        (["no-such-file"], "no-such-file"),
        (["-p", ""], "1 token(s)"),
        (["-p", "x", "--experts", "9"], "--experts is 9"),
        (["-p", "x", "--max-model-len", "1"], "--max-model-len is 1"),
    ],
)
def test_a_bad_request_is_one_line_and_exits_with_2(
    octavo: Run, folder: Path, arguments: list[str], found: str
) -> None:
    done = octavo("score", "--model", folder, *arguments)
    assert done.exit_code == 2
    assert found in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_in_place_of_a_text_is_refused(octavo: Run, folder: Path) -> None:
    done = octavo("score", folder)
    assert done.exit_code == 2
    assert "--model" in done.stderr
