"""Counts in place of rows: exact, of one size for any length of text, and adding up over processes in any order."""

from octavo.analysis.accumulators.contents import Contents
from octavo.analysis.accumulators.folder import load, save
from octavo.analysis.accumulators.tables import Accumulators
from octavo.analysis.accumulators.writer import CountsWriter

__all__ = ["Accumulators", "Contents", "CountsWriter", "load", "save"]
