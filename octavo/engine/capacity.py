"""How much room a device has for a model, its cache and its steps; ``octavo.engine.memory_plan`` shares it out."""

import os
import re
from pathlib import Path

import torch

from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.engine.memory_plan import MemoryPlan, Room, plan_memory

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def num_pages(config: ModelConfig, engine: EngineConfig, *, dtype: torch.dtype, device: torch.device) -> int:
    """Pages of the pool of a model that is loaded, the null page included.

    Never more than ``max_num_seqs`` sequences of full length can use. Raises ConfigError when the memory that the cache
    may take does not hold one page and the null page.
    """
    return plan_for(config, engine, dtype=dtype, device=device, loaded=True).num_pages


def plan_for(
    config: ModelConfig, engine: EngineConfig, *, dtype: torch.dtype, device: torch.device, loaded: bool = False
) -> MemoryPlan:
    """The plan of a model and its engine on ``device`` as it is now; raises what ``plan_memory`` raises."""
    name = str(dtype).removeprefix("torch.")
    return plan_memory(config, engine, dtype=name, room=room_of(device), loaded=loaded)


def room_of(device: torch.device) -> Room:
    """Memory of a GPU, or of this machine as far as this process may use it."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return Room(device=str(device), free=free, total=total, shared=False)
    free, total = _machine()
    limited = _limited()
    if limited is not None:
        free, total = min(free, limited[0]), min(total, limited[1])
    return Room(device="cpu", free=free, total=total, shared=True)


def _machine() -> tuple[int, int]:
    """Free and all memory; what files keep in it for speed counts as free."""
    page = os.sysconf("SC_PAGE_SIZE")
    free, total = os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page
    if MEMINFO.exists():
        found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", MEMINFO.read_text(encoding="ascii"), re.MULTILINE))
        if "MemAvailable" in found:
            free = 1024 * (int(found["MemAvailable"]) + int(found.get("SwapFree", 0)))
    return free, total


def _limited() -> tuple[int, int] | None:
    """Free and all memory of this process's control group (version 2); None where nothing limits it."""
    try:
        most = (CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
        kept = re.search(r"^inactive_file (\d+)$", (CGROUP / "memory.stat").read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return None
    if not most.isdigit():
        return None
    return max(0, int(most) - used + (int(kept[1]) if kept else 0)), int(most)
