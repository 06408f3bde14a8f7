"""``octavo generate``: text as it appears, the experts that read it, and everything as JSON."""

import json
import re
from pathlib import Path

import pytest

from octavo import LLM, SamplingParams
from octavo.engine.memory_plan import Room
from tests.cli.conftest import Process, Run

SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
GREEDY = ("--temperature", "0", "--max-tokens", "12")


@pytest.fixture(scope="module")
def greedy_text(folder: Path) -> str:
    """What the library says that the model goes on with."""
    params = SamplingParams(temperature=0, max_tokens=12)
    return LLM(folder).generate("The quick brown fox", params)[0].outputs[0].text


def test_the_text_is_that_of_the_library(octavo: Run, folder: Path, greedy_text: str) -> None:
    done = octavo("generate", folder, "-p", "The quick brown fox", *GREEDY)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == greedy_text + "\n"
    assert done.stderr == ""


def test_the_prompt_can_come_first(octavo: Run, folder: Path, greedy_text: str) -> None:
    done = octavo("generate", folder, "-p", "The quick brown fox", *GREEDY, "--echo")
    assert done.stdout == "<s>The quick brown fox" + greedy_text + "\n"


def test_a_prompt_comes_from_stdin_or_a_file(octavo: Run, folder: Path, greedy_text: str, tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_text("The quick brown fox\n")
    assert octavo("generate", folder, "-p", "-", *GREEDY, stdin="The quick brown fox\n").stdout == greedy_text + "\n"
    assert octavo("generate", folder, "--prompt-file", path, *GREEDY).stdout == greedy_text + "\n"


def test_experts_stand_behind_the_tokens_of_prompt_and_text(octavo: Run, folder: Path) -> None:
    params = SamplingParams(temperature=0, max_tokens=12, routing=True)
    result = LLM(folder).generate("The quick brown fox", params)[0]
    assert result.prompt_routed_experts is not None
    done = octavo("generate", folder, "-p", "The quick brown fox", *GREEDY, "--experts", "1")
    assert done.exit_code == 0, done.stderr
    marks = [mark for mark in done.stdout.split("layer 1, first")[0] if mark in SUBSCRIPTS]
    first_choices = [*result.prompt_routed_experts[:, 1, 0], *result.outputs[0].routed_experts[:-1, 1, 0]]
    assert marks == [SUBSCRIPTS[expert] for expert in first_choices]
    assert f"first choice of {len(first_choices)} tokens" in done.stdout


def test_several_prompts_and_outputs_are_told_apart(octavo: Run, folder: Path) -> None:
    done = octavo("generate", folder, "-p", "one", "-p", "two", "--n", "2", "--max-tokens", "3", "--experts", "0")
    assert done.exit_code == 0, done.stderr
    for prompt in (1, 2):
        for output in (1, 2):
            assert f"── prompt {prompt} of 2, output {output} of 2 ──" in done.stdout


def test_logprobs_are_a_table(octavo: Run, folder: Path) -> None:
    done = octavo("generate", folder, "-p", "one", "--max-tokens", "3", "--logprobs", "25")
    table = done.stdout[done.stdout.index("token ") :].splitlines()
    assert table[0].split() == ["token", "logprob", "rank", "likeliest"]
    assert len(table) >= 4


def test_json_has_everything_and_stands_alone(octavo: Run, folder: Path, greedy_text: str) -> None:
    done = octavo("generate", folder, "-p", "The quick brown fox", *GREEDY, "--json")
    found = json.loads(done.stdout)
    (result,) = found["results"]
    (output,) = result["outputs"]
    tokens, length = len(result["prompt_token_ids"]), len(output["token_ids"])
    assert output["text"] == greedy_text
    assert len(output["logprobs"]) == length
    assert len(result["prompt_logprobs"]) == tokens
    shapes = {
        name: (len(rows), len(rows[0]), len(rows[0][0]))
        for holder in (result, output)
        for name, rows in holder.items()
        if "routed" in name
    }
    assert shapes == {
        "prompt_routed_experts": (tokens, 3, 2),
        "prompt_routed_weights": (tokens, 3, 2),
        "routed_experts": (length, 3, 2),
        "routed_weights": (length, 3, 2),
    }
    assert output["routed_experts"][-1] == [[-1, -1]] * 3
    assert output["finish_reason"] == "length"
    assert found["timing"]["generated_tokens"] == length


def test_a_dense_model_has_json_without_routing(octavo: Run, dense_folder: Path) -> None:
    done = octavo("generate", dense_folder, "-p", "one", "--max-tokens", "2", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["outputs"][0]["routed_experts"] is None


def test_a_seed_repeats_and_another_does_not(octavo: Run, folder: Path) -> None:
    texts = [octavo("generate", folder, "-p", "one", "--seed", seed, "--max-tokens", "20").stdout for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["-p", "x", "--experts", "3"], "--experts is 3, but the model's layers are 0 to 2"),
        (["-p", "x", "--experts", "-1"], "--experts is -1"),
        (["-p", "x", "--temperature", "-1"], "temperature is -1.0"),
        (["-p", "x", "--top-p", "2"], "top_p is 2.0"),
        (["-p", "x", "--temperature", "0", "--n", "2"], "greedy"),
        (["-p", "x", "--max-model-len", "0"], "max_model_len is 0"),
        (["-p", "x", "--device", "tpu"], "device is 'tpu'"),
        (["-p", "x " * 300], "the model's length is 256"),
        (["--prompt-file", "no-such-file"], "no-such-file"),
        ([], "no prompt"),
    ],
)
def test_a_bad_request_is_one_line_and_exits_with_2(
    octavo: Run, folder: Path, arguments: list[str], found: str
) -> None:
    done = octavo("generate", folder, *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert found in done.stderr
    assert done.stderr.startswith("octavo: ")
    assert done.stderr.count("\n") == 1


def test_a_dense_model_has_no_experts_to_show(octavo: Run, dense_folder: Path) -> None:
    done = octavo("generate", dense_folder, "-p", "x", "--experts", "0")
    assert done.exit_code == 2
    assert "dense" in done.stderr


def test_a_folder_without_a_tokenizer_says_how_to_give_one(
    octavo: Run, make_folder: object, tokenizer_folder: Path
) -> None:
    bare = make_folder(tokenizer=False)  # type: ignore[operator]
    done = octavo("generate", bare, "-p", "x")
    assert done.exit_code == 2
    assert "--tokenizer FOLDER" in done.stderr
    done = octavo("generate", bare, "-p", "x", "--tokenizer", tokenizer_folder, "--max-tokens", "2")
    assert done.exit_code == 0, done.stderr


def test_a_model_that_is_not_there_exits_with_3(octavo: Run, tmp_path: Path) -> None:
    done = octavo("generate", tmp_path / "nothing", "-p", "x")
    assert done.exit_code == 3
    assert done.stderr.count("\n") == 1


def test_a_damaged_model_exits_with_3_and_names_the_tensor(octavo: Run, folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    done = octavo("generate", tmp_path, "-p", "x")
    assert done.exit_code == 3
    assert "model.safetensors" in done.stderr
    assert octavo("generate", tmp_path, "-p", "x", "--no-verify", "--max-tokens", "1").exit_code == 0


def test_a_pipe_gets_utf8_and_no_escapes(process: Process, folder: Path) -> None:
    done = process("generate", folder, "-p", "L'été \x1b[31m", "--echo", "--max-tokens", "30", "--seed", "1")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert done.stdout.startswith("<s>L'été \\x1b[31m")


def test_what_it_takes_of_the_memory_is_told_when_asked(octavo: Run, folder: Path, greedy_text: str) -> None:
    done = octavo("generate", folder, "-p", "The quick brown fox", *GREEDY, "--verbose")
    assert done.stdout == greedy_text + "\n"
    assert re.match(r"octavo: weights .*, cache .*, routing .*, graphs 0 B, workspace .* free on cpu\n$", done.stderr)


def test_a_cache_without_room_is_refused_in_one_line(octavo: Run, folder: Path, monkeypatch) -> None:
    room = Room(device="cpu", free=10_000, total=10_000, shared=True)
    monkeypatch.setattr("octavo.engine.capacity.room_of", lambda device: room)
    done = octavo("generate", folder, "-p", "The quick brown fox", *GREEDY)
    assert done.exit_code == 4
    assert re.match(r"octavo: this needs more memory than there is: weights .*: [^\n]*\n$", done.stderr)
