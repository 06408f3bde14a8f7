"""Writes docs/cli.md from the help texts: ``python docs/cli_page.py``. A test compares the two."""

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "cli.md"
WRITING = ("demo", "generate", "chat", "serve", "run-batch", "score", "inspect", "convert", "verify", "train")
SEEING = ("trace", "stats", "sql", "report", "figure", "import")
COMMANDS = (*WRITING, *SEEING)
# Commands of a group, as they are typed.
BENCHES = ("serve", "decode", "prefill", "throughput", "layer", "telemetry", "startup")
GROUPED = tuple(f"bench {name}" for name in BENCHES)
OPENING = """\
# The command line

`octavo COMMAND --help` shows what is below. Flags are spelled as vLLM spells them. Where a command takes a
model, it takes a folder in any dialect of Mixtral or Mistral, or a Hub id; without one it takes octavo-mini,
which is part of the package (`OCTAVO_MODEL` names another).

| exit code | |
|---|---|
| 0 | done; also where the reader of a pipe went away |
| 1 | a bug of ours |
| 2 | wrong usage, or a request that cannot be served |
| 3 | a model that is missing or damaged |
| 4 | out of memory |
| 5 | the engine of a server died |
| 130 | interrupted |

Every failure is one line on stderr that says what was found, what was wanted and the way out;
`OCTAVO_DEBUG=1` shows where it came from. Progress is shown on stderr, and only in a terminal. `--json`
prints one JSON document on stdout and nothing else.

`--experts LAYER` gives each token the colours of the expert that the router of this layer chose first: eight
colours that can be told apart with any colour vision, on dark and on light terminals. With more experts they
come round again, with the number behind each token; without colours (`NO_COLOR`, `--no-color`, a pipe, a
file) there are only the numbers: `The₃ cat₅`. Prompts are underlined. The model reads a token in the step
after it chose it, so nobody has read the last one.

Text of a model is shown with its control characters spelled out (`\\x1b`, `\\r`, `\\u202e`), so that no text
can command your terminal; `--json` has it as it is, encoded.
"""


def help_of(*command: str) -> str:
    """The help text of a command as a terminal of 80 columns shows it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OCTAVO", "FORCE", "GITHUB"))}
    env |= {"COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    call = [sys.executable, "-m", "octavo", *command, "--help"]
    done = subprocess.run(call, capture_output=True, text=True, encoding="utf-8", env=env, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n")


def page() -> str:
    """The whole page."""
    sections = [f"## octavo {name}\n\n```text\n{help_of(*name.split())}\n```\n" for name in (*COMMANDS, *GROUPED)]
    return "\n".join([OPENING, f"```text\n{help_of()}\n```\n", *sections])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
