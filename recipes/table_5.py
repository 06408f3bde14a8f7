"""Table 5 of the Mixtral paper: how often neighbouring tokens go to the same expert, with the paper's own beside it.

python recipes/table_5.py [RUN.route | --corpus FOLDER] [-o table_5.svg]

The paper counts pairs of neighbours, with nothing said of how long its texts were, what it did at their borders and
whether their first token counted. Here pairs lie within a document and without control tokens. Sources of the figures
beside: arXiv 2401.04088, table 5, for Mixtral 8x7B on eight subsets of The Pile.
"""

import json
from pathlib import Path

from runs import STANDS_FOR, open_run

from octavo.analysis.figures.repetition import repetition_table
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.statistics.rows import Row, row

PAPER = Path(__file__).parents[1] / "tests" / "golden" / "mixtral-paper.json"
CHOICES = {"first": ("first_choice", 1 / 8), "either": ("first_or_second", 13 / 28)}

WHOSE = "Mixtral 8x7B at its layers 0, 15 and 31, on the subset of The Pile that the domain stands for"


def published() -> list[Row]:
    """The paper's table as rows, under the names of the corpus's domains."""
    table = json.loads(PAPER.read_text(encoding="utf-8"))["table_5"]
    return [
        row(
            domain=STANDS_FOR[subset],
            layer=layer,
            choice=choice,
            lag=1,
            value=held[name][place] / 100,
            null_uniform=even,
            n=1,
        )
        for subset, held in table["percent"].items()
        for choice, (name, even) in CHOICES.items()
        for place, layer in enumerate(table["layers"])
    ]


if __name__ == "__main__":
    run = open_run(__doc__)
    rows = repetition(run.source, selection=run.selection, intervals=run.intervals)
    run.finish(repetition_table(rows, compared=published(), compared_with=WHOSE))
