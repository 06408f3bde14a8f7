"""Writes octavo-mini's card and its curves from the results of its four training runs, so that neither can disagree.

python benchmarks/mini_card.py            # needs matplotlib for the curves
"""

import json
import statistics
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "octavo-mini"
CARD = ROOT / "octavo" / "mini" / "README.md"
CURVES = ROOT / "docs" / "octavo-mini.svg"
RUNS = ("sparse-0", "sparse-1", "dense-0", "dense-1")
BEGIN, END = "<!-- written by benchmarks/mini_card.py: begin -->", "<!-- end -->"


def test_of(run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{run}.test.json").read_text())
    return found


def metrics_of(run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RESULTS / f"{run}.metrics.jsonl").read_text().splitlines()]


def domain_table() -> str:
    """Bits a byte of each run on each domain's test split, and the sparse mean against the dense one."""
    tests = {run: test_of(run)["test"] for run in RUNS}
    rows = [
        "| domain | sparse, seed 0 | seed 1 | dense, seed 0 | seed 1 | sparse − dense |",
        "|---|---:|---:|---:|---:|---:|",
    ]

    def row(name: str, values: list[float]) -> str:
        gain = (values[0] + values[1] - values[2] - values[3]) / 2
        return f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + f" | {gain:+.3f} |"

    for domain in tests[RUNS[0]]["domains"]:
        rows.append(row(domain, [tests[run]["domains"][domain]["bits_per_byte"] for run in RUNS]))
    rows.append(row("**mean of the 14**", [tests[run]["bits_per_byte"] for run in RUNS]))
    return "\n".join(rows)


def load_table() -> str:
    """The share of assignments that each expert of each layer took over the pooled test splits, in percent."""
    load_LE = test_of("sparse-0")["test"]["load"]
    rows = ["| layer | " + " | ".join(f"expert {e}" for e in range(len(load_LE[0]))) + " |"]
    rows.append("|---|" + "---:|" * len(load_LE[0]))
    for layer, load_E in enumerate(load_LE):
        rows.append(f"| {layer} | " + " | ".join(f"{100 * load / sum(load_E):.1f}" for load in load_E) + " |")
    shares = [100 * load / sum(load_E) for load_E in load_LE for load in load_E]
    rows.append(f"\nLeast {min(shares):.1f} %, most {max(shares):.1f} %; even would be {100 / len(load_LE[0]):.1f} %.")
    return "\n".join(rows)


def run_table() -> str:
    """What each run took: time, speed and MFU, the medians of its reports with their range."""
    rows = [
        "| run | parameters | tokens | seconds | tokens a second (least to most) | MFU |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for run in RUNS:
        # The first reports hold the compilation.
        reports = metrics_of(run)[5:]
        speeds = [report["tokens_per_second"] / 1e6 for report in reports]
        mfu = statistics.median(report["mfu"] for report in reports)
        rows.append(
            f"| {run} | {test_of(run)['parameters']:,} | {reports[-1]['tokens']:,} | {reports[-1]['seconds']:.0f} | "
            f"{statistics.median(speeds):.2f} M ({min(speeds):.2f} to {max(speeds):.2f}) | {mfu:.3f} |"
        )
    return "\n".join(rows)


def tables() -> str:
    """Everything of the card that is counted rather than said."""
    parts = (
        "### Runs",
        run_table(),
        "### Test, bits a byte",
        domain_table(),
        "### Load of the experts, percent",
        load_table(),
    )
    return "\n\n".join(parts)


def draw() -> None:
    """The validation curves of the four runs, bits a byte against tokens read."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "octavo"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for run, colour, style in zip(
        RUNS, ("#0072B2", "#56B4E9", "#D55E00", "#E69F00"), ("-", "--", "-", "--"), strict=True
    ):
        points = [(r["tokens"] / 1e6, r["validation"]["bits_per_byte"]) for r in metrics_of(run) if "validation" in r]
        axes.plot(*zip(*points, strict=True), style, color=colour, label=run, marker="o", markersize=3)
    axes.set(
        xlabel="million tokens read",
        ylabel="bits a byte, mean of 14 domains",
        title="octavo-mini and its dense twin, validation",
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(CURVES, metadata={"Date": None, "Creator": None})


def main() -> None:
    before, rest = CARD.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END, 1)[1]
    CARD.write_text(f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}", encoding="utf-8")
    draw()


if __name__ == "__main__":
    main()
