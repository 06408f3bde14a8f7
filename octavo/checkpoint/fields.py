"""The named fields of one settings file, taken one by one and typed; what is left over at the end is unknown."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path

from octavo.errors import ConfigError

# No published or plausible model comes near; they keep a hostile file from asking for a table of a billion layers.
LARGEST = 1 << 31
MAX_LAYERS = 4096
MAX_EXPERTS = 4096
MAX_LAYERS_TIMES_EXPERTS = 65536


class Fields:
    """Reads the fields of ``values``; every error is a ConfigError that names file, field and what was found."""

    def __init__(self, path: Path, values: Mapping[str, object], *, inside: str = "") -> None:
        self.path = path
        self.values = values
        self.inside = inside
        self.taken: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether the file has the field and it is not null."""
        return self.values.get(name) is not None

    def take(self, name: str) -> object:
        """The raw value of a field, None when it is absent."""
        self.taken.add(name)
        return self.values.get(name)

    def wrong(self, name: str, want: str) -> ConfigError:
        """The error for a field whose value will not do."""
        found = repr(self.values[name]) if name in self.values else "missing"
        return ConfigError(f"{self.path}: {self.inside}{name} is {_short(found)}: {want}")

    def integer(self, name: str, *, default: int | None = None, most: int = LARGEST) -> int:
        """A whole number from 1 to ``most``; ``default`` when absent or null, and without one the field is required."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self.wrong(name, f"want a whole number from 1 to {most:,}")
        return value

    def optional_integer(self, name: str) -> int | None:
        """A whole number, or None where the field is null or absent."""
        self.taken.add(name)
        return self.integer(name) if self.has(name) else None

    def number(self, name: str, *, default: float | None = None) -> float:
        """A positive number; ``default`` when absent or null, and without one the field is required."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e300:
            raise self.wrong(name, "want a positive number")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false; ``default`` when absent or null."""
        value = self.take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "want true or false")
        return value

    def word(self, name: str) -> str | None:
        """A string, or None where the field is null or absent."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, "want a string")
        return value

    def table(self, name: str) -> "Fields | None":
        """The fields of a nested object, or None where it is null, empty or absent."""
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(name, "want an object of names and values")
        return Fields(self.path, value, inside=f"{self.inside}{name}.") if value else None

    def token_ids(self, name: str) -> tuple[int, ...]:
        """One token id or a list of them; empty where the field is null or absent."""
        value = self.take(name)
        ids = value if isinstance(value, list) else [] if value is None else [value]
        for token in ids:
            if not isinstance(token, int) or isinstance(token, bool) or not 0 <= token < LARGEST:
                raise self.wrong(name, "want a token id or a list of token ids")
        return tuple(ids)

    def require(self, name: str, allowed: Collection[object], why: str) -> None:
        """Refuses a field whose value is not among ``allowed``; absent and null are fine."""
        value = self.take(name)
        if value is not None and not any(type(value) is type(each) and value == each for each in allowed):
            wants = " or ".join(repr(each) for each in allowed)
            raise self.wrong(name, f"{why}, so only {wants} can be honoured" if wants else f"{why}: it must be absent")

    def require_bounded(self, layers: int, experts: int) -> None:
        """Refuses a model of so many matrices that their names alone would fill memory."""
        if layers * experts > MAX_LAYERS_TIMES_EXPERTS:
            raise ConfigError(
                f"{self.path}: {layers:,} layers of {experts:,} experts each are more matrices than any model has: "
                f"want at most {MAX_LAYERS_TIMES_EXPERTS:,} experts in all"
            )

    def finish(self, inert: Collection[str]) -> None:
        """Warns once, by name, of the fields that were neither taken nor known to be inert."""
        unknown = sorted(set(self.values) - self.taken - set(inert))
        if unknown:
            named = ", ".join(_short(repr(name)) for name in unknown[:20]) + (", ..." if len(unknown) > 20 else "")
            warnings.warn(f"{self.path}: ignoring unknown field(s) {named}", stacklevel=2)

    def refuse_rest(self, why: str) -> None:
        """Refuses every field that was not taken."""
        for name in sorted(set(self.values) - self.taken):
            raise self.wrong(name, why)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
