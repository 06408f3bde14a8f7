"""What a model folder says about its model, whichever file said it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from octavo.checkpoint.fields import Fields
from octavo.config import ModelConfig

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The shape of a model, as the JSON file at ``file`` gives it.

    ``native`` tells params.json (the publisher's own names) from config.json (Hugging Face). ``dtype`` is None where
    the file does not say it. ``bos_token_id`` is None and ``eos_token_ids`` empty where it does not say those.
    """

    file: Path
    native: bool
    config: ModelConfig
    dtype: torch.dtype | None
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]


def dtype_name(dtype: torch.dtype) -> str:
    """The name that configs and people use: float32, float16 or bfloat16."""
    return str(dtype).removeprefix("torch.")


def stored_dtype(fields: Fields) -> torch.dtype | None:
    """The dtype that a settings file says its weights have, in either spelling; None where it does not say.

    Raises ConfigError for a dtype that is not read, and for two that differ.
    """
    found = {}
    for name in ("dtype", "torch_dtype"):
        word = fields.word(name)
        if word is not None and word != "auto":
            if word.removeprefix("torch.") not in DTYPES:
                raise fields.wrong(name, f"weights are read in {', '.join(DTYPES)}: convert the folder to one of them")
            found[name] = DTYPES[word.removeprefix("torch.")]
    if len(set(found.values())) > 1:
        raise fields.wrong("torch_dtype", f"it contradicts dtype, which is {fields.values['dtype']!r}")
    return next(iter(found.values()), None)
