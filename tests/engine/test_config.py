"""EngineConfig refuses what cannot be, in one line."""

import pytest

from octavo.engine.config import EngineConfig
from octavo.errors import ConfigError


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"page_size": 0}, "page_size is 0: want a whole number of at least 1"),
        ({"max_num_seqs": True}, "max_num_seqs is True: want a whole number"),
        ({"max_num_batched_tokens": 1.5}, "max_num_batched_tokens is 1.5: want a whole number"),
        ({"num_pages": 1}, "num_pages is 1: want a whole number of at least 2"),
        ({"memory_bytes": -5}, "memory_bytes is -5"),
        ({"max_model_len": "8k"}, "max_model_len is '8k': want a whole number"),
        ({"max_logprobs": -2}, "max_logprobs is -2: want a whole number of at least -1"),
        ({"seed": None}, "seed is None: want a whole number"),
        ({"num_pages": 5, "memory_bytes": 5}, "num_pages is 5 and memory_bytes is 5: both size the cache"),
    ],
    ids=str,
)
def test_a_limit_that_cannot_be_is_refused(limits: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        EngineConfig(**limits)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_limits_that_are_left_out_have_defaults() -> None:
    config = EngineConfig()
    assert (config.page_size, config.max_num_seqs, config.max_num_batched_tokens) == (16, 256, 2048)
