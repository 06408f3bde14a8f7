"""A step that raises costs the request that made it raise, and nobody else a token."""

from collections.abc import Callable

import pytest
import torch

from octavo.batch import Batch
from octavo.engine.config import EngineConfig
from octavo.model import Output, Transformer
from octavo.server.backend.driver import Driver
from tests.engine.serving import prompts_of, request, serve

POISON = 96
Fault = Callable[[Batch], Exception | None]


def driver_of(model: Transformer, fault: Fault, **limits: int) -> Driver:
    """A driver whose forwards raise what ``fault`` gives for their batch."""
    driver = Driver(model, EngineConfig(**{"page_size": 4, "num_pages": 1000, **limits}))  # type: ignore[arg-type]
    runner = driver.engine.runner
    forward = runner.forward

    def faulty(batch: Batch, fresh_pages: tuple[int, ...]) -> Output:
        if (error := fault(batch)) is not None:
            raise error
        return forward(batch, fresh_pages)

    runner.forward = faulty  # type: ignore[method-assign]
    return driver


def drive(driver: Driver, most_steps: int = 2000) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Tokens and ends of the first output of each request."""
    tokens: dict[str, list[int]] = {}
    ends: dict[str, str] = {}
    for _ in range(most_steps):
        if not driver.busy:
            break
        said, _ = driver.step()
        for progress in said:
            if progress.token_id is not None:
                tokens.setdefault(progress.request_id, []).append(progress.token_id)
            if progress.finish_reason is not None:
                assert progress.request_id not in ends or progress.index > 0
                ends[progress.request_id] = progress.finish_reason
    assert not driver.busy, "it never came to an end"
    assert driver.load.pages_used == 0
    return tokens, ends


def poisoned(batch: Batch) -> Exception | None:
    return ValueError("poison") if bool((batch.token_T == POISON).any()) else None


@pytest.mark.parametrize("place", [0, 3, 7])
def test_only_the_request_at_fault_ends(sparse: Transformer, place: int) -> None:
    prompts = [tuple(token for token in prompt if token != POISON) or (1,) for prompt in prompts_of(8)]
    params: dict[str, object] = {"temperature": 0.0, "max_tokens": 12, "logit_bias": {POISON: -100.0}}
    expected = [one.token_ids[0] for one in serve(sparse, prompts, params)]
    driver = driver_of(sparse, poisoned)
    for number, prompt in enumerate(prompts):
        given = (*prompt, POISON) if number == place else prompt
        driver.add(request(given, str(number), (), **params))
    tokens, ends = drive(driver)
    assert ends.pop(str(place)) == "error"
    assert set(ends.values()) == {"length"}
    assert [tokens[name] for name in ends] == [expected[int(name)] for name in ends]
    assert driver.load.failed_steps < 10
    assert driver.engine.scheduler.most_running == 256


def test_one_that_fails_only_later_is_found_too(sparse: Transformer) -> None:
    def late(batch: Batch) -> Exception | None:
        assert batch.pages is not None
        marked = bool((batch.pages.context_S == 25).any())
        return RuntimeError("at its 25th position") if marked else None

    driver = driver_of(sparse, late, max_num_batched_tokens=16)
    for number in range(5):
        driver.add(request([number + 1] * (10 if number == 2 else 2), str(number), max_tokens=20, temperature=0.0))
    tokens, ends = drive(driver)
    assert ends.pop("2") == "error"
    assert set(ends.values()) == {"length"}
    assert all(len(tokens[name]) == 20 for name in ends)


def test_all_outputs_of_a_request_end_with_it(sparse: Transformer) -> None:
    driver = driver_of(sparse, poisoned)
    driver.add(request([POISON], "bad", n=3))
    driver.add(request([1], "good", logit_bias={POISON: -100.0}))
    tokens, ends = drive(driver)
    assert ends == {"bad": "error", "good": "length"}
    assert "bad" not in tokens


def test_too_little_memory_makes_fewer_run_and_none_fail(sparse: Transformer) -> None:
    def small(batch: Batch) -> Exception | None:
        assert batch.pages is not None
        return torch.OutOfMemoryError("CUDA out of memory") if len(batch.pages.context_S) > 3 else None

    driver = driver_of(sparse, small)
    for number in range(12):
        driver.add(request([number + 1], str(number), max_tokens=5))
    tokens, ends = drive(driver)
    assert set(ends.values()) == {"length"}
    assert len(tokens) == 12
    assert driver.engine.scheduler.most_running == 256


def test_one_that_never_fits_ends(sparse: Transformer) -> None:
    def long(batch: Batch) -> Exception | None:
        return MemoryError("not enough memory") if len(batch.token_T) > 30 else None

    driver = driver_of(sparse, long)
    driver.add(request([1] * 40, "long"))
    driver.add(request([1], "short"))
    assert drive(driver)[1] == {"long": "error", "short": "length"}


def test_what_is_no_requests_fault_is_raised(sparse: Transformer) -> None:
    driver = driver_of(sparse, lambda _: RuntimeError("everything is broken"))
    for number in range(10):
        driver.add(request([1], str(number)))
    with pytest.raises(RuntimeError, match="everything is broken"):
        drive(driver)
    broken = driver_of(sparse, lambda _: torch.AcceleratorError("an illegal memory access"))
    broken.add(request([1]))
    with pytest.raises(torch.AcceleratorError):
        broken.step()
