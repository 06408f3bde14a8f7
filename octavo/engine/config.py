"""EngineConfig: how much the engine takes on at once."""

from dataclasses import dataclass

from octavo.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """The limits of one engine.

    ``page_size`` is the number of positions a page holds. ``max_num_seqs`` bounds the sequences of one step, and
    ``max_num_batched_tokens`` the tokens of one step: a longer prompt is read in chunks. ``num_pages`` sets the size of
    the cache; without it ``memory_bytes`` does, and without that the free memory. ``max_model_len`` bounds prompt and
    output together; None is the model's own length. ``max_logprobs`` bounds what a request may ask for, -1 not at all.
    ``enable_prefix_caching`` keeps what was read of prompts for others that begin alike. ``seed`` is where requests
    without a seed draw theirs.

    Raises ConfigError for a value that cannot be.
    """

    page_size: int = 16
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    num_pages: int | None = None
    memory_bytes: int | None = None
    max_model_len: int | None = None
    max_logprobs: int = 20
    enable_prefix_caching: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("page_size", 1),
            ("max_num_seqs", 1),
            ("max_num_batched_tokens", 1),
            ("num_pages", 2),
            ("memory_bytes", 1),
            ("max_model_len", 1),
            ("max_logprobs", -1),
        ):
            value: object = getattr(self, name)
            if value is None and name in ("num_pages", "memory_bytes", "max_model_len"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{name} is {value!r}: want a whole number of at least {least}")
        if not isinstance(self.enable_prefix_caching, bool):
            raise ConfigError(f"enable_prefix_caching is {self.enable_prefix_caching!r}: want True or False")
        seed: object = self.seed
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise ConfigError(f"seed is {self.seed!r}: want a whole number")
        if self.num_pages is not None and self.memory_bytes is not None:
            raise ConfigError(
                f"num_pages is {self.num_pages} and memory_bytes is {self.memory_bytes}: "
                "both size the cache, so give only one"
            )
