"""Octavo runs, trains and sees into sparse mixture-of-experts language models of the Mixtral kind."""

__version__ = "0.1.0"
