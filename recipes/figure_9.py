"""Figure 9 of the Mixtral paper: figure 7 once for either choice, once for first and once for second choices.

python recipes/figure_9.py [RUN.route | --corpus FOLDER] [-o figure_9.svg]

Shares of assignments of that rank; chance is 1/E in all three (arXiv 2401.04088, appendix).
"""

from runs import open_run

from octavo.analysis.figures.shares import share_bars
from octavo.analysis.statistics.assignment_share import assignment_share

CHOICES = ("either", "first", "second")

if __name__ == "__main__":
    run = open_run(__doc__)
    rows = assignment_share(run.source, selection=run.selection, intervals=run.intervals, choice=CHOICES)
    run.finish(share_bars(rows, choices=CHOICES, name="figure-9"))
