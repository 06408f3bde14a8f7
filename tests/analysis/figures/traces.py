"""Small traces to draw, and the text of what was drawn."""

from dataclasses import replace
from pathlib import Path

from octavo.analysis.figures.figure import Figure
from tests.analysis.synthetic import MemoryTrace, uniform


def many_domains(number: int, *, tokens: int = 100, **fields: object) -> MemoryTrace:
    """Domains of four documents each, routed by chance through three layers."""
    documents = [
        uniform(tokens, num_layers=3, seed=10 * place + each, domain=f"domain {place}", name=str(each), vocabulary=26)
        for place in range(number)
        for each in range(4)
    ]
    return MemoryTrace(documents, tokens={each: bytes([97 + each]) for each in range(26)}, **fields)  # type: ignore[arg-type]


def svg_of(figure: Figure, folder: Path) -> str:
    """The figure as SVG with its words as text; where they are outlines otherwise, it is saved so too."""
    replace(figure, outlines=False).save(folder / "figure.svg")
    if figure.outlines:
        figure.save(folder / "own.svg")
    return (folder / "figure.svg").read_text(encoding="utf-8")
