"""What the recipes for published figures share: a trace to read, made from a corpus where none is named.

python recipes/table_5.py RUN.route                  a trace that is there
python recipes/table_5.py --corpus FOLDER            a million tokens of FOLDER's test splits, by octavo-mini
OCTAVO_CORPUS=FOLDER python recipes/table_5.py       the same; -o FILE saves the figure as png, svg, pdf, csv, json, tex
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.figures.figure import Figure, middle_layers
from octavo.analysis.figures.tables import aligned
from octavo.analysis.selection import Selection
from octavo.analysis.statistics import Intervals
from octavo.analysis.store import RouteTrace
from octavo.cli.measuring import open_source

# The paper's subsets of The Pile, and the domains of this project's corpus that stand for them.
STANDS_FOR = {
    "ArXiv": "math_latex",
    "DM Mathematics": "dm_mathematics",
    "Github": "source_code",
    "Gutenberg": "gutenberg",
    "PhilPapers": "philosophy",
    "PubMed Abstracts": "biomedical",
    "StackExchange": "stackexchange",
    "Wikipedia (en)": "encyclopedia",
}
TOKENS = 1_000_000
MADE = Path("runs") / "test.route"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A trace and how it is to be looked at: pairs within documents, without control tokens, at the paper's layers."""

    source: RouteTrace | Accumulators
    selection: Selection
    intervals: Intervals | None
    output: Path | None

    @property
    def all_layers(self) -> Selection:
        """The same at every layer."""
        return Selection(domains=self.selection.domains)

    def finish(self, figure: Figure) -> None:
        """Saves the figure where a place is named, and prints it as a table otherwise."""
        if self.output is None:
            print(f"{figure.title}\n\n{aligned(figure.cells())}\n{figure.caption}")
        else:
            figure.save(self.output)
            print(self.output)


def open_run(description: str | None) -> Run:
    """The trace that the command line names, or one of the corpus's test splits, which is made if it is not there."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="a trace, as 'octavo trace' writes it")
    parser.add_argument("--corpus", type=Path, default=os.environ.get("OCTAVO_CORPUS"), help="a folder of test splits")
    parser.add_argument("--max-tokens", type=int, default=TOKENS, help="tokens to trace of the corpus")
    parser.add_argument("--replicates", type=int, default=1000, help="draws of documents for intervals; 0 for none")
    parser.add_argument("-o", "--output", type=Path, help="where to save the figure")
    asked = parser.parse_args()
    if asked.run is None and asked.corpus is None:
        parser.error("want a trace, or a corpus to make one of (--corpus, or OCTAVO_CORPUS)")
    source: Any = open_source(asked.run or trace_of(Path(asked.corpus), asked.max_tokens))
    intervals = Intervals(replicates=asked.replicates) if asked.replicates else None
    layers = middle_layers(source.manifest.layers)
    return Run(source=source, selection=Selection(layers=layers), intervals=intervals, output=asked.output)


def trace_of(corpus: Path, tokens: int) -> Path:
    """Traces a corpus's test splits with octavo-mini, or goes on where an earlier run stopped."""
    splits = sorted(corpus.glob("*.test*.jsonl*"))
    if not splits:
        sys.exit(f"{corpus} has no test splits: want files called DOMAIN.test.jsonl or DOMAIN.test.jsonl.xz")
    MADE.parent.mkdir(exist_ok=True)
    flags = ["--max-tokens", str(tokens), "--nll", "-o", str(MADE)]
    subprocess.run([sys.executable, "-m", "octavo", "trace", *map(str, splits), *flags], check=True)
    return MADE
