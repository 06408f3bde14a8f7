"""ServerSettings: everything that one server is told when it starts, in groups that follow its rooms."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from octavo.engine.config import EngineConfig
from octavo.errors import ConfigError
from octavo.server.limits import Limits

LoadFormat = Literal["auto", "safetensors", "dummy"]
OnEngineDeath = Literal["exit", "restart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What the engine's process opens, in the words of ``octavo.api.opening.open_model``.

    ``load_format`` "dummy" takes the shape from the model's folder, or from a preset's name such as mixtral-8x7b, and
    random weights: for measuring. "safetensors" is what "auto" comes to: nothing else is ever loaded.
    """

    name: str = "octavo-mini"
    tokenizer: str | None = None
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    load_format: LoadFormat = "auto"
    batch_invariant: bool = False
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """Where the server listens: a TCP port (0 lets the system choose), or the Unix socket ``uds``; with TLS or not."""

    host: str = "127.0.0.1"
    port: int = 8000
    uds: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_certfile: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}: want 0 to 65535, where 0 is any that is free")
        if (self.ssl_keyfile is None) != (self.ssl_certfile is None):
            given, missing = ("keyfile", "certfile") if self.ssl_certfile is None else ("certfile", "keyfile")
            raise ConfigError(f"ssl_{given} is given without ssl_{missing}: TLS needs both")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """The live recording of routings: the folder in which it is written (None: not at all), and of what.

    ``sample`` is the share of requests that is recorded; ``tokens`` keeps token ids too, from which text can be read.
    """

    folder: Path | None = None
    sample: float = 1.0
    tokens: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.sample <= 1:
            raise ConfigError(f"trace_sample is {self.sample}: want a share above 0 and up to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """One server.

    ``served_model_names`` are the names that requests may call the model by, the first of them what answers say; empty,
    it is the model's own. ``api_keys`` are the keys that open it, empty lets everybody in. ``allowed_origins`` are the
    origins whose pages may read answers besides its own. ``shutdown_timeout`` is how many seconds running requests get
    to end after SIGTERM. ``log_requests`` logs each request's numbers, never its text.

    Raises ConfigError for a value that cannot be.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    engine: EngineConfig = field(default_factory=EngineConfig)
    door: DoorSettings = field(default_factory=DoorSettings)
    limits: Limits = field(default_factory=Limits)
    trace: TraceSettings = field(default_factory=TraceSettings)
    served_model_names: tuple[str, ...] = ()
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    allowed_origins: tuple[str, ...] = ()
    metrics_prefix: str = "octavo"
    webui: bool = True
    shutdown_timeout: float = 30.0
    on_engine_death: OnEngineDeath = "exit"
    log_requests: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.shutdown_timeout) and self.shutdown_timeout >= 0):
            raise ConfigError(f"shutdown_timeout is {self.shutdown_timeout}: want a number of seconds, 0 or more")
        for key in self.api_keys:
            if not key or not key.isascii() or not key.isprintable() or " " in key:
                raise ConfigError("an API key is empty or holds a blank or an odd character: want printable ASCII")
        if not self.metrics_prefix.isidentifier() or not self.metrics_prefix.isascii():
            raise ConfigError(f"metrics_prefix is {self.metrics_prefix!r}: want letters, digits and underscores")

    @property
    def model_names(self) -> tuple[str, ...]:
        """The names that a request may use, at least one."""
        return self.served_model_names or (self.model.name,)
