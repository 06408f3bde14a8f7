"""Promises: what the server is said to bear, tried in full counts or a seeded share, each told in one line.

A module of this folder keeps promises when it has ``PROMISES``, a tuple of functions. Each takes ``scale`` (1 for the
full count) and ``seed``, tries, and returns a Promise; an exception of its own is a failure too. The first paragraph
of its docstring is what docs/reliability.md says of it.

    python -m benchmarks.promises                       all of them, in full, into benchmarks/reliability.json
    python -m benchmarks.promises --scale 0.1 overload  one module, a tenth, nothing written
"""
