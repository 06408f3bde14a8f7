"""``octavo demo``: a tour that needs nothing and says what was seen."""

import json
import re
from pathlib import Path

from rich.cells import cell_len

from tests.cli.conftest import Process, Run


def test_the_tour_shows_texts_loads_and_ways_on(octavo: Run, folder: Path) -> None:
    done = octavo("demo", folder, "--max-tokens", "8")
    assert done.exit_code == 0, done.stderr
    for title in ("A novel", "Code", "A question", "French"):
        assert f"\n{title}\n<s>" in done.stdout
    assert "3 layers of 4 experts, of which 2 read each token" in done.stdout
    assert "Load: share of" in done.stdout
    assert f"octavo generate {folder} -p" in done.stdout


def test_the_question_has_the_form_of_a_chat(octavo: Run, folder: Path) -> None:
    question = octavo("demo", folder, "--max-tokens", "2").stdout.split("A question\n")[1].splitlines()[0]
    assert question.translate(str.maketrans("", "", "₀₁₂₃")).startswith("<s>[INST] What is ")


def test_the_same_seed_shows_the_same(octavo: Run, folder: Path) -> None:
    texts = []
    for seed in (1, 1, 2):
        found = json.loads(octavo("demo", folder, "--max-tokens", "8", "--seed", seed, "--json").stdout)
        texts.append([sample["result"]["outputs"][0]["text"] for sample in found["samples"]])
    assert texts[0] == texts[1] != texts[2]


def test_json_counts_what_the_table_shows(octavo: Run, folder: Path) -> None:
    found = json.loads(octavo("demo", folder, "--max-tokens", "8", "--json").stdout)
    rows = [
        row
        for sample in found["samples"]
        for row in sample["result"]["prompt_routed_experts"] + sample["result"]["outputs"][0]["routed_experts"]
    ]
    for layer, load_E in enumerate(found["expert_load"]):
        for expert, count in enumerate(load_E):
            assert sum(row[layer].count(expert) for row in rows) == count


def test_a_layer_that_is_not_there_is_refused(octavo: Run, folder: Path, dense_folder: Path) -> None:
    assert octavo("demo", folder, "--experts", "7").exit_code == 2
    assert octavo("demo", dense_folder).exit_code == 2


def test_the_screen_and_the_json_tell_of_the_same_texts(octavo: Run, folder: Path) -> None:
    shown = octavo("demo", folder, "--max-tokens", "8").stdout
    bare = shown.translate(str.maketrans("", "", "₀₁₂₃"))
    for sample in json.loads(octavo("demo", folder, "--max-tokens", "8", "--json").stdout)["samples"]:
        text = sample["result"]["outputs"][0]["text"]
        assert text.isprintable() is False or text in bare


def test_a_narrow_terminal_is_kept_to(process: Process, folder: Path) -> None:
    done = process("demo", folder, "--max-tokens", "8", FORCE_COLOR="1", COLUMNS="60", TERM="xterm-256color")
    assert done.returncode == 0, done.stderr
    assert "\x1b[" in done.stdout
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in done.stdout.split("Try next")[0].splitlines()[3:]]
    assert max(map(cell_len, lines)) <= 60
