"""The cache is as large as asked for, or as the memory and the sequences make sensible."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from octavo.cache import KVCache
from octavo.config import mini, mixtral_8x7b
from octavo.engine import capacity
from octavo.engine.capacity import num_pages, plan_for, room_of
from octavo.engine.config import EngineConfig
from octavo.engine.memory_plan import Room, workspace_bytes
from octavo.engine.routing_cache import RoutingCache
from octavo.errors import ConfigError
from octavo.parameters import count

CPU = torch.device("cpu")


def pages(engine: EngineConfig, *, dtype: torch.dtype = torch.float32) -> int:
    return num_pages(mini(), engine, dtype=dtype, device=CPU)


def test_a_number_that_is_given_is_taken() -> None:
    assert pages(EngineConfig(num_pages=123)) == 123


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_memory_is_filled_but_not_exceeded(dtype: torch.dtype) -> None:
    page_bytes = 16 * KVCache.bytes_per_token(mini(), dtype)
    routing_bytes = 16 * RoutingCache.bytes_per_token(mini())
    alone = EngineConfig(memory_bytes=100 * page_bytes + 5, enable_prefix_caching=False)
    assert pages(alone, dtype=dtype) == 100
    cache = KVCache(mini(), num_pages=100, page_size=16, dtype=dtype)
    assert cache.key_LPBGH.nbytes + cache.value_LPBGH.nbytes == 100 * page_bytes
    both = EngineConfig(memory_bytes=100 * (page_bytes + routing_bytes) + 5)
    assert pages(both, dtype=dtype) == 100
    assert RoutingCache(mini(), num_pages=100, page_size=16, device=CPU).logits_PBLE.nbytes == 100 * routing_bytes


def test_no_more_than_the_sequences_can_use() -> None:
    assert pages(EngineConfig(memory_bytes=2**40, max_num_seqs=3, max_model_len=100)) == 3 * 7 + 1


def test_too_little_memory_is_refused_with_both_numbers() -> None:
    with pytest.raises(ConfigError, match="may take 1000 bytes, but its two smallest pages take 270336"):
        pages(EngineConfig(memory_bytes=1000))


def test_unasked_the_cpu_gives_a_sequence_of_full_length_or_a_gibibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = workspace_bytes(mini(), EngineConfig(), dtype="float32")

    def free(size: int) -> None:
        room = Room(device="cpu", free=size, total=2**40, shared=True)
        monkeypatch.setattr(capacity, "room_of", lambda device: room)

    free(64 * 2**30)
    page_bytes = 16 * (KVCache.bytes_per_token(mini(), torch.float32) + RoutingCache.bytes_per_token(mini()))
    assert pages(EngineConfig()) == 2**30 // page_bytes
    large = mixtral_8x7b()
    assert num_pages(large, EngineConfig(), dtype=torch.bfloat16, device=CPU) == 32768 // 16
    free(2**30 + workspace)
    assert pages(EngineConfig()) == 2**28 // page_bytes
    long = replace(large, context_length=2**20)
    free(2**30 + workspace_bytes(long, EngineConfig(), dtype="bfloat16"))
    assert num_pages(long, EngineConfig(), dtype=torch.bfloat16, device=CPU) == 2**29 // (16 * (131072 + 1024))


def test_this_machine_has_room_and_not_more_than_it_has() -> None:
    room = room_of(CPU)
    assert 0 < room.free <= room.total * 2
    assert (room.device, room.shared) == ("cpu", True)


def test_what_files_keep_in_memory_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemFree: 10 kB\nMemAvailable:   500 kB\nSwapFree: 20 kB\n")
    monkeypatch.setattr(capacity, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(capacity, "CGROUP", tmp_path)
    assert room_of(CPU).free == 520 * 1024


@pytest.mark.parametrize(("most", "free"), [("300000", 300000 - 100000 + 4096), ("90000", 0), ("max", None)])
def test_a_control_group_may_allow_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, most: str, free: int | None
) -> None:
    (tmp_path / "memory.max").write_text(f"{most}\n")
    (tmp_path / "memory.current").write_text("100000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 4096\n")
    unlimited = room_of(CPU).free
    monkeypatch.setattr(capacity, "CGROUP", tmp_path)
    found = room_of(CPU).free
    assert found > 10**8 if free is None else found == min(free, unlimited)


def test_a_plan_is_of_the_device_as_it_is_now() -> None:
    plan = plan_for(mini(), EngineConfig(num_pages=4), dtype=torch.bfloat16, device=CPU)
    assert plan.dtype == "bfloat16"
    assert plan.weights == 2 * count(mini()).total
    assert plan.room is not None
