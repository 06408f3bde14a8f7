"""Figure 10 of the Mixtral paper: how often neighbours go to the same expert, at every layer.

python recipes/figure_10.py [RUN.route | --corpus FOLDER] [-o figure_10.svg]

The paper draws even chance (arXiv 2401.04088, appendix). Here stand beside it the marginal nulls, and below how far
each domain is above its own.
"""

from runs import open_run

from octavo.analysis.figures.repetition import repetition_by_layer
from octavo.analysis.statistics.repetition import repetition

if __name__ == "__main__":
    run = open_run(__doc__)
    run.finish(repetition_by_layer(repetition(run.source, selection=run.all_layers, intervals=run.intervals)))
