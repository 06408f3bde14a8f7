"""Opening a model with the flags of the command line."""

from pathlib import Path

import pytest

from octavo.cli.flags import ModelFlags, SamplingFlags
from octavo.cli.models import open_llm, sampling_params
from octavo.errors import ConfigError, RequestError


def test_flags_reach_the_library(folder: Path) -> None:
    opened = open_llm(str(folder), ModelFlags(max_model_len=64, max_num_seqs=3, max_num_batched_tokens=17))
    assert opened.llm.max_model_len == 64
    assert opened.llm.engine.config.max_num_seqs == 3
    assert opened.llm.engine.config.max_num_batched_tokens == 17
    assert opened.load_seconds > 0


def test_flags_are_checked_before_the_model_is_looked_for() -> None:
    with pytest.raises(ConfigError, match="max_num_seqs"):
        open_llm("no-such-model", ModelFlags(max_num_seqs=0))
    with pytest.raises(ConfigError, match="device"):
        open_llm("no-such-model", ModelFlags(device="abacus"))


def test_the_layer_is_checked_against_the_model(folder: Path) -> None:
    with pytest.raises(RequestError, match="layers are 0 to 2"):
        open_llm(str(folder), ModelFlags(), experts=3)


def test_sampling_flags_become_a_request() -> None:
    params = sampling_params(SamplingFlags(temperature=0.5, stop=["x"]), logprobs=2, routing=True)
    assert (params.temperature, params.stop, params.logprobs, params.routing) == (0.5, ["x"], 2, True)


def test_a_small_model_writes_with_one_thread(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", threads.append)
    open_llm(str(folder), ModelFlags())
    assert threads == []  # OMP_NUM_THREADS is set here, and stands
    monkeypatch.delenv("OMP_NUM_THREADS")
    open_llm(str(folder), ModelFlags(), writes=False)
    assert threads == []
    open_llm(str(folder), ModelFlags())
    assert threads == [1]
