"""Reads what is damaged, apart from the tests and within a bound on memory, and says how that ended.

python -m tests.server.rules.reading KIND=PATH...      one line of JSON: [[error, seconds], ...]
"""

import json
import resource
import sys
import time
from pathlib import Path

MEMORY = 8 * 2**30


def read(kind: str, path: str) -> None:
    if kind == "weights":
        from octavo.checkpoint import load_model

        load_model(Path(path))
    elif kind == "tokenizer":
        from octavo.tokenizer import Tokenizer

        Tokenizer.from_folder(path)
    else:
        from octavo import RouteTrace

        for chunk in RouteTrace.open(path).chunks():
            assert chunk is not None


def attempt(kind: str, path: str) -> tuple[str, float]:
    """The error's type with its module, and the seconds until it came; "none" where it was read."""
    start = time.monotonic()
    try:
        read(kind, path)
    except BaseException as error:
        return f"{type(error).__module__}.{type(error).__name__}: {str(error)[:200]}", time.monotonic() - start
    return "none", time.monotonic() - start


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print(json.dumps([attempt(*each.split("=", 1)) for each in sys.argv[1:]]))
