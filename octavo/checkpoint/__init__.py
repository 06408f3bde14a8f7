"""Checkpoints: model folders in every dialect of Mistral and Mixtral, fetched, read, checked, written and converted."""

from octavo.checkpoint.convert import convert
from octavo.checkpoint.folder import ModelFolder, open_folder, read_settings
from octavo.checkpoint.hub import fetch
from octavo.checkpoint.load import load_model
from octavo.checkpoint.names import Dialect
from octavo.checkpoint.save import save_model
from octavo.checkpoint.settings import Settings
from octavo.checkpoint.verify import Verification, verify_folder
from octavo.checkpoint.write import shard_bytes

__all__ = [
    "Dialect",
    "ModelFolder",
    "Settings",
    "Verification",
    "convert",
    "fetch",
    "load_model",
    "open_folder",
    "read_settings",
    "save_model",
    "shard_bytes",
    "verify_folder",
]
