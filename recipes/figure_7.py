"""Figure 7 of the Mixtral paper: shares of the experts by domain at the first, the middle and the last layer.

python recipes/figure_7.py [RUN.route | --corpus FOLDER] [-o figure_7.svg]

The caption there says tokens; what is drawn are shares of assignments, first and second choices together, so that
chance is 1/E (arXiv 2401.04088).
"""

from runs import open_run

from octavo.analysis.figures.shares import share_bars
from octavo.analysis.statistics.assignment_share import assignment_share

if __name__ == "__main__":
    run = open_run(__doc__)
    run.finish(
        share_bars(assignment_share(run.source, selection=run.selection, intervals=run.intervals, choice=["either"]))
    )
