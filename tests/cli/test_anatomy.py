"""A model is taken apart without its weights, and every figure is the published or the counted one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from octavo.cli.anatomy import (
    Question,
    batch_table,
    dense_table,
    document,
    find_config,
    memory_table,
    part_table,
    plan,
    plan_table,
    shape_table,
)
from octavo.cli.sizes import short
from octavo.config import PRESETS, mixtral_8x7b
from octavo.engine.config import EngineConfig
from octavo.engine.memory_plan import plan_memory
from octavo.errors import CheckpointError, ConfigError
from octavo.parameters import count


def question(**changes: object) -> Question:
    asked = Question(name="mixtral-8x7b", config=mixtral_8x7b(), dtype="bfloat16", context=32768, sequences=1)
    return replace(asked, **changes)  # type: ignore[arg-type]


def column(table: object, number: int) -> list[str]:
    return [str(cell) for cell in table.columns[number].cells]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        ("mixtral-8x7b", 46_702_792_704, 12_879_925_248),
        ("mixtral-8x22b", 140_620_634_112, 39_152_031_744),
        ("mixtral-8x22b-v0.3", 140_630_071_296, 39_161_468_928),
        ("mistral-7b-v0.1", 7_241_732_096, 7_241_732_096),
        ("mistral-7b-v0.2", 7_241_732_096, 7_241_732_096),
        ("mistral-7b-v0.3", 7_248_023_552, 7_248_023_552),
    ],
)
def test_the_published_models_have_their_published_counts(name: str, total: int, active: int) -> None:
    found = document(question(name=name, config=PRESETS[name]()))
    assert (found["total_parameters"], found["active_parameters"]) == (total, active)


def test_parts_add_up_to_the_whole() -> None:
    found = document(question())
    parts = found["parts"]
    assert sum(part["parameters"] for part in parts) == found["total_parameters"]
    assert sum(part["active_parameters"] for part in parts) == found["active_parameters"]
    assert sum(part["bytes_per_token"] for part in parts) == found["bytes_per_token"]
    assert sum(part["flop_per_token"] for part in parts) == found["flop_per_token"]


def test_one_step_of_one_sequence_reads_what_a_token_reads() -> None:
    assert column(batch_table(question()), 1) == ["2.00", "25.5 GB"]
    assert column(batch_table(question()), 5) == ["7.92", "92.2 GB"]


def test_the_dense_twins_do_as_much_and_hold_as_much() -> None:
    table = dense_table(question())
    this, equal_work, equal_size = (column(table, number) for number in (1, 2, 3))
    assert equal_work[0] == "28,672"
    assert equal_size[0] == "114,688"
    assert this[3] == equal_work[3]  # FLOP a token
    assert this[1] == equal_size[1]  # parameters


def test_memory_is_of_the_cache_that_was_asked_for() -> None:
    table = memory_table(question(context=1000, sequences=3))
    bfloat16 = [column(table, number)[-1] for number in range(5)]
    assert bfloat16 == ["bfloat16", "93.4 GB", "131 kB", "393 MB", "93.8 GB"]


def test_a_tied_head_is_counted_once_and_read_all_the_same() -> None:
    tied = replace(mixtral_8x7b(), tie_embeddings=True)
    table = part_table(question(config=tied))
    head = [column(table, number)[-3] for number in range(6)]
    assert head == ["head", "0", "0.00%", "0", "262 MB", "262 M"]


def test_the_shape_is_whole() -> None:
    cells = [cell for number in (1, 3, 5) for cell in column(shape_table(mixtral_8x7b()), number)]
    assert {"32", "4,096", "14,336", "8", "128", "32,000", "32,768", "1,000,000", "none"} <= set(cells)


def test_a_settings_file_is_enough(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "config.json"
    alone.write_bytes((folder / "config.json").read_bytes())
    assert find_config(str(alone)) == find_config(str(tmp_path)) == find_config(str(folder))
    assert count(find_config(str(alone))).total > 0


def test_settings_of_the_publisher_are_read_too(tmp_path: Path) -> None:
    fields = {
        "dim": 32,
        "n_layers": 2,
        "head_dim": 8,
        "hidden_dim": 16,
        "n_heads": 4,
        "n_kv_heads": 2,
        "vocab_size": 100,
    }
    more = {"norm_eps": 1e-5, "rope_theta": 1e6, "moe": {"num_experts": 4, "num_experts_per_tok": 2}}
    (tmp_path / "params.json").write_text(json.dumps(fields | more))
    assert find_config(str(tmp_path / "params.json")).num_experts == 4


def test_what_is_no_model_is_an_error_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        find_config(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ConfigError):
        find_config(str(tmp_path))


def test_of_a_model_on_the_hub_only_its_settings_are_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(folder)

    present = ["config.json", "model.safetensors", "tokenizer.json"]
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", lambda self, name, revision: present)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert find_config("org/name", revision="v1") == find_config(str(folder))
    assert asked == [("org/name", "v1", ["config.json", "params.json"])]


def test_the_plan_of_an_engine_is_that_which_loading_makes() -> None:
    asked = question(context=4096, sequences=64)
    engine = EngineConfig(max_model_len=4096, max_num_seqs=64)
    assert document(asked)["memory_plan"] == plan_memory(mixtral_8x7b(), engine, dtype="bfloat16").parts
    sizes = [column(plan_table(asked), number)[0] for number in range(7)]
    assert sizes[1:5] == ["93.4 GB", "34.4 GB", "268 MB", "none"]
    assert sizes[6] == short(plan(asked).total, "B")
