"""Octavo runs, trains and sees into sparse mixture-of-experts language models of the Mixtral kind."""

import importlib

__version__ = "0.1.0"

# Where each public name lives. A name is imported when it is first asked for, so that `import octavo` needs no torch.
_HOMES = {
    "LLM": "octavo.api.llm",
    "CompletionDelta": "octavo.api.outputs",
    "CompletionOutput": "octavo.api.outputs",
    "Logprob": "octavo.api.outputs",
    "RequestOutput": "octavo.api.outputs",
    "ScoreOutput": "octavo.api.outputs",
    "RouteTrace": "octavo.analysis.store",
    "EngineConfig": "octavo.engine.config",
    "SamplingParams": "octavo.engine.params",
    "Batch": "octavo.batch",
    "KVCache": "octavo.cache",
    "ModelConfig": "octavo.config",
    "Output": "octavo.model",
    "Transformer": "octavo.model",
    "Routing": "octavo.routing",
    "Tokenizer": "octavo.tokenizer",
    "route": "octavo.routing",
    "OctavoError": "octavo.errors",
    "CheckpointError": "octavo.errors",
    "ConfigError": "octavo.errors",
    "CorpusError": "octavo.errors",
    "OverCapacity": "octavo.errors",
    "RequestError": "octavo.errors",
    "TokenizerError": "octavo.errors",
    "TraceError": "octavo.errors",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 (all of them are strings)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'octavo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
