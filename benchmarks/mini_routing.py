"""Measures the routing of octavo-mini, and writes its page's tables and figures from what was measured.

    python benchmarks/mini_routing.py RUN.route     # a trace of the corpus's test splits: measures, then writes
    python benchmarks/mini_routing.py               # writes the page's tables anew from the results that are kept

Pictures need matplotlib and Pillow. The page's prose is written by hand between the tables.
"""

import json
import sys
from pathlib import Path
from typing import Any

from routing_tables import RESULTS, TABLES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "octavo-mini-routing.md"
PICTURES = ROOT / "docs" / "routing"
BEGIN, END = "<!-- written by benchmarks/mini_routing.py: {} -->", "<!-- end -->"
REPLICATES = 1000
RELABELINGS = 200
# What is measured: a statistic, its options, and which rows are kept.
MEASURED: dict[str, tuple[str, dict[str, Any]]] = {
    "shares": ("assignment-share", {"choice": ["either"]}),
    "repetition": ("repetition", {}),
    "kappa": ("repetition", {"measure": "kappa"}),
    "distances": ("domain-specialisation", {"measure": ["jsd"]}),
    "information": ("conditional-information", {}),
    "words": ("word-agreement", {}),
    "vocabulary": ("vocabulary-specialisation", {}),
    "vocabulary-of-next": ("vocabulary-specialisation", {"target": "next"}),
    "load": ("load", {"measure": ["max-violation"]}),
    "load-together": ("load", {"measure": ["max-violation"], "by": "all"}),
    "local-consistency": ("local-consistency", {"lengths": (16,)}),
    "cache": ("cache", {"policies": ("lru",), "capacities": (4,)}),
    "prefetch": ("prefetch", {"sizes": (2,)}),
    "preferred": ("preferred-tokens", {"top": 8, "min_count": 100}),
}
# The figures, and how many colours their pictures keep.
FIGURES = {"figure-7": 40, "share-map": 40, "table-5": 40, "figure-10": 80, "figure-8": 40, "distance": 40}
WIDTH = 840  # pixels, at most


def measure(run: Path) -> None:
    """Measures everything and keeps it, one file for each statistic."""
    import inspect

    import torch
    from provenance import provenance

    from octavo.analysis.selection import Selection
    from octavo.analysis.statistics import CATALOGUE, Intervals
    from octavo.analysis.store import RouteTrace

    trace = RouteTrace.open(run)
    counts = {name: [0, 0] for name in trace.domains}
    for document in trace.documents():
        counts[document.domain][0] += 1
        counts[document.domain][1] += document.num_tokens
    manifest = trace.manifest
    about = {
        "what": "octavo-mini on the test splits of its corpus",
        "provenance": provenance(torch.device("cpu"), "numpy", "pyarrow"),
        "model_hash": manifest.model_hash,
        "tokenizer_hash": manifest.tokenizer_hash,
        "context": manifest.context,
        "bos": manifest.bos,
        "inputs": manifest.settings.get("inputs"),
        "settings": {name: manifest.settings.get(name) for name in ("dtype", "device", "max_tokens", "windows")},
        "selection": "control tokens left out; pairs within a document",
        "replicates": REPLICATES,
        "tokens": trace.num_tokens,
        "domains": {name: {"documents": held[0], "tokens": held[1]} for name, held in counts.items()},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    chances = CATALOGUE["domain-specialisation"].function(trace, measure=["p"], relabelings=RELABELINGS)
    about["relabelings"] = {"number": RELABELINGS, "greatest_p": max(each["value"] for each in chances)}
    (RESULTS / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    for kept, (name, options) in MEASURED.items():
        function = CATALOGUE[name].function
        drawing = {"intervals": Intervals(replicates=REPLICATES)} if _draws(inspect.signature(function), name) else {}
        rows = function(trace, selection=Selection(), **options, **drawing)
        lines = ",\n".join(json.dumps({key: _short(value) for key, value in each.items()}) for each in rows)
        (RESULTS / f"{kept}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        print(kept, len(rows), flush=True)
    draw(trace)


def _draws(signature: Any, name: str) -> bool:
    return "intervals" in signature.parameters and name != "cache"


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def draw(trace: Any) -> None:
    """Draws the page's figures, small enough for a page."""
    import io

    from PIL import Image

    from octavo.analysis.figures.catalogue import Wish, figure
    from octavo.analysis.selection import Selection
    from octavo.analysis.statistics import Intervals

    PICTURES.mkdir(exist_ok=True)
    for name, colours in FIGURES.items():
        texts = ("source_code", "dm_mathematics", "stackexchange") if name == "figure-8" else None
        wish = Wish(selection=Selection(domains=texts), intervals=Intervals(replicates=REPLICATES), tokens=70)
        path = PICTURES / f"{name}.png"
        figure(trace, name, wish).save(path)
        picture = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
        if picture.width > WIDTH:
            picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
        few = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        print(path.name, path.stat().st_size, flush=True)


def page(text: str) -> str:
    """The page with every table as the results have it."""
    for name, made in TABLES.items():
        begin = BEGIN.format(name)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{made()}\n\n{END}{rest.split(END, 1)[1]}"
    return text


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
