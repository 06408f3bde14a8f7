"""Shapes: what a benchmark measures, by a published name or by the settings of a folder."""

from pathlib import Path

from octavo.checkpoint import read_settings
from octavo.config import PRESETS, ModelConfig, mini
from octavo.errors import ConfigError

# Short names beside those of the presets.
SHORT = {"mistral-7b": "mistral-7b-v0.3"}
MINI = ("mini", "octavo-mini")


def find_shape(name: str) -> ModelConfig:
    """The shape of a published model, of octavo-mini, or of a folder or settings file; weights need not be there.

    Raises ConfigError for a name that is none, and what read_settings raises for a folder that does not say it.
    """
    if Path(name).exists():
        return read_settings(name).config
    if name in MINI:
        return mini()
    known = SHORT.get(name, name)
    if known not in PRESETS:
        raise ConfigError(f"shape {name!r:.80} is not known: want a folder, or one of {', '.join(shape_names())}")
    return PRESETS[known]()


def shape_names() -> list[str]:
    """Every name that ``find_shape`` knows."""
    return [*PRESETS, *SHORT, MINI[0]]
