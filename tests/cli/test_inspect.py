"""``octavo inspect``: what a model is made of, without its weights."""

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.cli.conftest import Process, Run


def test_a_published_shape_needs_no_file(octavo: Run) -> None:
    done = octavo("inspect", "mixtral-8x7b")
    assert done.exit_code == 0
    assert "46,702,792,704 parameters, 12,879,925,248 of them active for each token" in done.stdout
    assert "dense, equal work" in done.stdout
    assert "4.29 GB" in done.stdout  # the cache of 32,768 tokens in bfloat16


def test_a_dense_model_is_not_compared_with_itself(octavo: Run) -> None:
    done = octavo("inspect", "mistral-7b-v0.1")
    assert "7,241,732,096 parameters" in done.stdout
    assert ["sliding", "window", "4,096"] in [line.split()[-3:] for line in done.stdout.splitlines()]
    assert "dense against sparse" not in done.stdout


@pytest.mark.parametrize("name", ["mixtral-8x22b", "mistral-7b-v0.3"])
def test_everything_fits_in_80_columns(octavo: Run, name: str) -> None:
    done = octavo("inspect", name)
    assert max(cell_len(line) for line in done.stdout.splitlines()) <= 80


def test_json_has_exact_numbers(octavo: Run) -> None:
    done = octavo(
        "inspect", "mixtral-8x7b", "--json", "--max-model-len", "1000", "--max-num-seqs", "2", "--dtype", "float32"
    )
    found = json.loads(done.stdout)
    assert found["total_parameters"] == 46_702_792_704
    assert found["active_parameters"] == 12_879_925_248
    assert [part["name"] for part in found["parts"]] == [
        "embeddings",
        "attention",
        "router",
        "experts",
        "norms",
        "head",
    ]
    assert found["memory"][0] == {
        "dtype": "float32",
        "weights": 46_702_792_704 * 4,
        "cache_per_token": 262_144,
        "cache": 262_144 * 2000,
    }
    assert found["dense_of_equal_active"]["hidden_dim"] == 28_672
    assert found["experts_read"]["2"] == 3.5


def test_a_folder_without_weights_is_enough(octavo: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    done = octavo("inspect", tmp_path)
    assert done.exit_code == 0
    assert "4 experts a layer, 2 of which read each token" in done.stdout


def test_a_name_that_is_nothing_exits_with_3(octavo: Run) -> None:
    done = octavo("inspect", "no-such-model")
    assert done.exit_code == 3
    assert done.stderr.startswith("octavo: 'no-such-model' is no folder")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"model_type": "mixtral"}', '{"model_type": "mixtral", "hidden_size": -1}']
)
def test_a_broken_config_exits_with_3(octavo: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    done = octavo("inspect", tmp_path)
    assert done.exit_code == 3
    assert "config.json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_context_of_nothing_is_refused(octavo: Run) -> None:
    assert octavo("inspect", "mixtral-8x7b", "--max-model-len", "0").exit_code == 2


def test_a_name_that_would_command_the_terminal_is_spelled_out(octavo: Run, folder: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "\x1b[31mred"
    hostile.mkdir()
    (hostile / "config.json").write_bytes((folder / "config.json").read_bytes())
    done = octavo("inspect", hostile)
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "\\x1b[31mred" in done.stdout


def test_a_published_shape_needs_no_torch(process: Process) -> None:
    done = process("inspect", "mixtral-8x7b", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "| torch\n" not in done.stderr
