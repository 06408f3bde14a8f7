"""Promise: how often something was tried and how often it failed, with the figures beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Figure = float | int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The outcome of one promise; ``detail`` holds figures worth publishing, such as a 99th percentile."""

    name: str
    tried: int
    failed: int
    detail: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """As it is printed."""
        return f"{self.name}: {self.tried} tried, {self.failed} failed"

    @property
    def kept(self) -> bool:
        """Whether something was tried and nothing failed."""
        return self.tried > 0 and self.failed == 0


Keep = Callable[[float, int], Promise]


def count(full: int, scale: float) -> int:
    """So much of the full count, at least one."""
    return max(1, round(full * scale))
