"""Rows become CSV, JSON and LaTeX that say the same."""

import csv
import json
from pathlib import Path

from octavo.analysis.figures.tables import aligned, cells_of, latex, write_csv, write_json, write_latex
from octavo.analysis.statistics.rows import row

ROWS = [
    row(domain="50% & more_or_less", layer=0, value=0.25, null_uniform=0.125, interval=(0.2, 0.3), n=1234),
    row(domain="empty", layer=0, value=0.0, n=0),
]


def test_csv_has_a_line_for_each_row_and_empty_cells_for_what_is_not_there(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ROWS)
    with (tmp_path / "x.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["domain"], first["value"], first["n"]) == ("50% & more_or_less", "0.25", "1234")
    assert (second["value"], second["lo"], second["n"]) == ("", "", "0")


def test_json_has_the_caption_and_the_rows_as_they_are(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", ROWS, name="x", title="X", caption="as counted")
    read = json.loads((tmp_path / "x.json").read_text())
    assert read == {"figure": "x", "title": "X", "caption": "as counted", "rows": ROWS}


def test_latex_sets_any_text_as_it_is(tmp_path: Path) -> None:
    write_latex(tmp_path / "x.tex", cells_of(ROWS), name="x", caption="Σ of 50 %")
    text = (tmp_path / "x.tex").read_text()
    assert r"50\% \& more\_or\_less & 0 & 0.2500" in text
    assert r"\begin{tabular}{lrrrrrr}" in text and r"\caption{$\Sigma$ of 50 \%}" in text
    assert text.count(r"\\") == 3
    assert latex("a\\b{c}$^~#") == r"a\textbackslash{}b\{c\}\$\textasciicircum{}\textasciitilde{}\#"


def test_latex_puts_groups_of_columns_above_them(tmp_path: Path) -> None:
    cells = [["", "First, layer 0", "First, layer 7", "Either, layer 0"], ["arxiv", "1.0", "2.0", "3.0"]]
    write_latex(tmp_path / "x.tex", cells, name="x", caption="c")
    lines = (tmp_path / "x.tex").read_text().splitlines()
    assert lines[5:8] == [
        r" & \multicolumn{2}{c}{First} & \multicolumn{1}{c}{Either} \\",
        r"\cmidrule(lr){2-3}\cmidrule(lr){4-4}",
        r" & layer 0 & layer 7 & layer 0 \\",
    ]


def test_columns_that_no_row_fills_are_left_out_and_numbers_stand_to_the_right() -> None:
    cells = cells_of(ROWS)
    assert cells[0] == ["domain", "layer", "value", "null_uniform", "lo", "hi", "n"]
    assert cells[2] == ["empty", "0", "–", "–", "–", "–", "0"]
    lines = aligned(cells).splitlines()
    assert lines[1].endswith("0.3000  1,234") and lines[2].endswith("–      0")
    assert lines[2].startswith("empty               ")
