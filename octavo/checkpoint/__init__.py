"""Checkpoints: model folders in every dialect of Mistral and Mixtral, read, checked, written and converted."""

from octavo.checkpoint.folder import ModelFolder, open_folder, read_settings
from octavo.checkpoint.load import load_model
from octavo.checkpoint.names import Dialect
from octavo.checkpoint.save import save_model
from octavo.checkpoint.settings import Settings

__all__ = ["Dialect", "ModelFolder", "Settings", "load_model", "open_folder", "read_settings", "save_model"]
