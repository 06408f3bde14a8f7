"""Figure 8 of the Mixtral paper: code, mathematics and a question, every token in the colour of its first choice.

python recipes/figure_8.py [RUN.route | --corpus FOLDER] [-o figure_8.png]

The paper shows Python code, questions of DM Mathematics with their answers, and a question with a choice of answers
(arXiv 2401.04088). Here they are the beginnings of documents of the domains that stand for these, where the trace has
them, or of its first three.
"""

from dataclasses import replace

from runs import open_run

from octavo.analysis.figures.catalogue import Wish, figure

SAMPLES = ("source_code", "dm_mathematics", "stackexchange")

if __name__ == "__main__":
    run = open_run(__doc__)
    domains = SAMPLES if set(SAMPLES) <= set(run.source.domains) else run.source.domains[:3]
    run.finish(figure(run.source, "figure-8", Wish(selection=replace(run.selection, domains=domains))))
