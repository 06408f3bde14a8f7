"""What a caller names is found, and what is not there is named in one line."""

from pathlib import Path

import pytest
import torch

from octavo.api import opening
from octavo.api.opening import choose_device, choose_dtype, describe_model, find_model, find_tokenizer, open_model
from octavo.engine.config import EngineConfig
from octavo.engine.memory_plan import MemoryPlan
from octavo.errors import CheckpointError, ConfigError, OverCapacity, TokenizerError
from octavo.ops import INVARIANT, best
from octavo.parameters import count
from octavo.tokenizer import Tokenizer

CPU = torch.device("cpu")


def opened(folder: Path, **changes: object) -> opening.Opened:
    asked = {
        "tokenizer": None,
        "revision": None,
        "device": "cpu",
        "dtype": "auto",
        "batch_invariant": False,
        "verify": True,
        **changes,
    }
    return open_model(folder, **asked)  # type: ignore[arg-type]


def test_a_folder_is_opened_ready_to_run(folder: Path) -> None:
    found = opened(folder)
    assert found.folder == folder
    assert found.tokenizer is not None
    assert found.eos_token_ids == {2}
    assert found.model.tok_embeddings.weight.dtype == torch.float32
    assert found.model.ops is best("cpu")
    assert not found.model.training
    assert opened(folder, dtype="bfloat16").model.norm.weight.dtype == torch.bfloat16
    assert opened(folder, batch_invariant=True).model.ops is INVARIANT


def test_a_folder_without_a_tokenizer_is_opened_without_one(bare: Path, folder: Path) -> None:
    assert opened(bare).tokenizer is None
    assert opened(bare, tokenizer=folder).tokenizer is not None


def test_a_tokenizer_that_is_named_is_taken(folder: Path, bare: Path) -> None:
    own = Tokenizer.from_folder(folder)
    assert find_tokenizer(own, bare) is own
    with pytest.raises(TokenizerError, match="no tokenizer file was found"):
        find_tokenizer(bare, folder)


def test_the_environment_names_the_model_when_nobody_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_MODEL", str(folder))
    assert find_model(None) == folder
    assert find_model(str(folder / "..")) == folder / ".."


def test_without_a_name_the_embedded_model_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCTAVO_MODEL", raising=False)
    monkeypatch.setattr(opening.importlib.resources, "files", lambda _: tmp_path)
    with pytest.raises(CheckpointError, match="the embedded model is not here"):
        find_model(None)
    (tmp_path / "mini").mkdir()
    (tmp_path / "mini" / "config.json").write_text("{}")
    assert find_model(None) == find_model("octavo-mini") == tmp_path / "mini"


@pytest.mark.parametrize("name", ["/no/such/folder", "no such folder", "./nothing"])
def test_a_folder_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(CheckpointError, match=name.strip("./")) as caught:
        find_model(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mps", "tpu", "", "cuda:x", "meta"])
def test_a_device_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"device is '{name}': want auto, cpu, cuda or cuda:0"):
        choose_device(name)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    number = torch.cuda.device_count()
    with pytest.raises(ConfigError, match=f"device is 'cuda:{number}', but torch finds {number} GPUs here"):
        choose_device(f"cuda:{number}")


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == CPU


def test_dtypes_go_by_their_names() -> None:
    assert choose_dtype("auto", CPU) == torch.float32
    assert choose_dtype("auto", torch.device("cuda")) is None
    assert choose_dtype("half", CPU) == choose_dtype(torch.float16, CPU) == torch.float16
    for name in ("int8", "float64", torch.float64):
        with pytest.raises(ConfigError, match=r"dtype is '.*(int8|float64)': want auto, float32, bfloat16 or float16"):
            choose_dtype(name, CPU)


def test_a_model_is_described_without_its_weights(folder: Path, tmp_path: Path) -> None:
    light = tmp_path / "light"
    light.mkdir()
    for file in folder.iterdir():
        if file.suffix == ".json":
            (light / file.name).write_bytes(file.read_bytes())
    described = describe_model(light)
    assert described.config.num_experts == 4
    assert described.tokenizer is not None
    assert described.folder == light


def test_what_it_will_take_is_told_and_what_has_no_room_is_never_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[MemoryPlan] = []
    found = opened(folder, engine=EngineConfig(num_pages=4), planned=heard.append)
    assert [plan.weights for plan in heard] == [4 * count(found.model.config).total]
    assert heard[0].num_pages == 4

    def never(*_: object, **__: object) -> None:
        pytest.fail("it was loaded all the same")

    monkeypatch.setattr(opening, "load_model", never)
    with pytest.raises(OverCapacity, match="more memory than there is") as refused:
        opened(folder, engine=EngineConfig(num_pages=10**12), planned=heard.append)
    assert "\n" not in str(refused.value)
    assert heard[1].num_pages == 10**12
