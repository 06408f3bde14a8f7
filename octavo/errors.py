"""The exceptions a caller may catch, as a tree: every one says what was found, what was wanted and the way out."""


class OctavoError(Exception):
    """Any error that Octavo raises on purpose; its text is one line for a person."""


class ConfigError(OctavoError, ValueError):
    """A configuration that contradicts itself or asks for something Octavo cannot honour."""


class CheckpointError(OctavoError, ValueError):
    """A model folder that is missing, damaged, or at odds with its own configuration."""


class TokenizerError(OctavoError, ValueError):
    """A tokenizer file that cannot be read, or a text or id that it cannot represent."""


class CorpusError(OctavoError, ValueError):
    """Training or evaluation text that cannot be used: not UTF-8, empty, or a broken file."""


class TraceError(OctavoError, ValueError):
    """A routing trace that is damaged, foreign or at odds with its manifest, or that lacks what was asked of it."""


class RequestError(OctavoError, ValueError):
    """A request that cannot be served as asked; over HTTP it is a 400."""


class OverCapacity(OctavoError, RuntimeError):
    """A request that is well formed but finds no room now; over HTTP it is a 429."""
