"""What a model and its engine will take is known before anything is loaded, and a step keeps to it."""

import subprocess
import sys
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from octavo.cache import KVCache
from octavo.checkpoint.load import empty_model
from octavo.config import PRESETS, ModelConfig, mini, mistral_7b, mixtral_8x7b
from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.memory_plan import MemoryPlan, Room, plan_memory, spelled, workspace_bytes
from octavo.engine.params import SamplingParams
from octavo.engine.request import Request
from octavo.errors import ConfigError, OverCapacity
from octavo.ops import REFERENCE

H200 = Room(device="cuda:0", free=140 * 10**9, total=141 * 10**9, shared=False)


def planned(config: ModelConfig, *, room: Room | None = H200, dtype: str = "bfloat16", **limits: Any) -> MemoryPlan:
    return plan_memory(config, EngineConfig(**limits), dtype=dtype, room=room)


def test_weights_and_cache_are_those_that_will_be() -> None:
    plan = planned(mini(), dtype="float32", num_pages=10)
    model = empty_model(mini(), device="cpu", dtype=torch.float32)
    cache = KVCache(mini(), num_pages=10, page_size=16)
    assert plan.weights == sum(parameter.nbytes for parameter in model.parameters())
    assert plan.cache == cache.key_LPBGH.nbytes + cache.value_LPBGH.nbytes
    assert plan.total == sum(plan.parts.values())
    assert plan.tokens == 9 * 16


def test_mixtral_fits_one_h200_with_a_cache_for_many() -> None:
    plan = planned(mixtral_8x7b())
    plan.require_room()
    assert plan.weights == 46_702_792_704 * 2
    # A tenth of the device is never planned for.
    assert 0.98 * (140e9 - 14.1e9) < plan.weights + plan.cache + plan.routing <= 140e9 - 14.1e9
    assert plan.tokens > 200_000


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"mixtral-8x22b", "mixtral-8x22b-v0.3"}))
def test_what_is_planned_unasked_fits(name: str) -> None:
    plan = planned(PRESETS[name]())
    plan.require_room()
    assert plan.num_pages >= 2


def test_too_large_a_model_is_refused_in_one_line_with_the_numbers() -> None:
    with pytest.raises(
        OverCapacity, match=r"weights 281 GB.*of 140 GB free on cuda:0: take a smaller dtype"
    ) as refused:
        planned(PRESETS["mixtral-8x22b"]()).require_room()
    assert "\n" not in str(refused.value)


def test_too_large_a_cache_is_refused_with_what_to_change() -> None:
    with pytest.raises(OverCapacity, match=r"cache 105 GB \(.*give the cache less with memory_bytes or num_pages"):
        planned(mixtral_8x7b(), num_pages=50_000).require_room()


def test_too_large_a_step_is_refused_with_what_to_change() -> None:
    with pytest.raises(OverCapacity, match="lower max_num_batched_tokens and max_num_seqs"):
        planned(mixtral_8x7b(), max_num_batched_tokens=2**20, num_pages=2).require_room()


def test_a_cache_of_less_than_two_pages_is_refused() -> None:
    with pytest.raises(ConfigError, match="may take 1000 bytes"):
        planned(mini(), memory_bytes=1000)


def test_where_nobody_looked_everything_has_room() -> None:
    plan = planned(PRESETS["mixtral-8x22b"](), room=None)
    plan.require_room()
    assert "free" not in plan.line()


def test_weights_that_are_there_are_not_planned_again() -> None:
    plan = plan_memory(mini(), EngineConfig(), dtype="float32", room=H200, loaded=True)
    assert plan.weights == 0


def test_only_what_keeps_prefixes_keeps_their_routing() -> None:
    assert planned(mini(), num_pages=4).routing == 4 * 16 * 4 * 8 * 8
    assert planned(mini(), num_pages=4, enable_prefix_caching=False).routing == 0
    assert planned(mistral_7b(), num_pages=4).routing == 0


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (93_405_585_408, "93.4 GB"), (2**60, "1.15e+06 TB")]
)
def test_bytes_are_spelled_with_three_figures(size: int, text: str) -> None:
    assert spelled(size) == text


def test_a_plan_needs_no_torch() -> None:
    code = "import sys, octavo.engine.memory_plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Peak(TorchDispatchMode):
    """Counts the bytes of the storages that operations make, while they live."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._alive: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {id_of(each) for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)}
        for each in tree_leaves(made):
            if isinstance(each, torch.Tensor) and id_of(each) not in given | self._alive:
                self._take(each)
        return made

    def _take(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = id_of(tensor), storage.nbytes()
        self._alive.add(key)
        self.now += size
        self.most = max(self.most, self.now)

        def gone() -> None:
            self._alive.discard(key)
            self.now -= size

        weakref.finalize(storage, gone)


def id_of(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


SHAPES = {
    "experts": replace(mini(), num_layers=2, hidden_dim=512, vocab_size=300, context_length=512),
    "head": replace(mini(), num_layers=2, vocab_size=30_000, context_length=512),
    "dense": replace(mini(num_experts=0), num_layers=2, hidden_dim=2048, context_length=512),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("params", [{"temperature": 0.0}, {"top_p": 0.9, "min_p": 0.01}, {"prompt_logprobs": 1}])
def test_no_step_takes_more_than_its_workspace(shape: str, params: dict[str, Any]) -> None:
    config = SHAPES[shape]
    limits = EngineConfig(max_num_seqs=8, max_num_batched_tokens=256, num_pages=300)
    with torch.inference_mode():
        model = empty_model(config, device="cpu", dtype=torch.float32, ops=REFERENCE).init_weights()
    engine = Engine(model, limits)
    for number in range(8):
        prompt = tuple(range(number, number + 120))
        wanted = SamplingParams(max_tokens=3, routing=config.is_sparse, **params)
        engine.add(Request(request_id=str(number), prompt_token_ids=prompt, params=wanted))
    with Peak() as peak:
        while engine.has_unfinished:
            engine.step()
    plan = plan_memory(config, limits, dtype="float32")
    assert peak.most <= plan.workspace
    # And not a figure without any bearing on it.
    assert plan.workspace < 100 * peak.most, plan.workspace / peak.most
    assert workspace_bytes(config, limits, dtype="float32") <= plan.workspace
