"""The tables of the page on octavo-mini's routing, from the results that benchmarks/mini_routing.py keeps."""

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "routing"
SHOWN = (0, 3, 7)
STANDS_FOR = {
    "math_latex": "ArXiv",
    "dm_mathematics": "DM Mathematics",
    "source_code": "Github",
    "gutenberg": "Gutenberg",
    "philosophy": "PhilPapers",
    "biomedical": "PubMed Abstracts",
    "stackexchange": "StackExchange",
    "encyclopedia": "Wikipedia (en)",
}

Row = dict[str, Any]


def rows_of(kept: str, **keys: object) -> list[Row]:
    """The kept rows of one statistic that have these keys."""
    read: list[Row] = json.loads((RESULTS / f"{kept}.json").read_text(encoding="utf-8"))
    return [each for each in read if all(each.get(name) == value for name, value in keys.items())]


def about() -> Row:
    """Where the results come from."""
    found: Row = json.loads((RESULTS / "about.json").read_text(encoding="utf-8"))
    return found


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, the first column to the left."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(each) + " |" for each in body)])


def percent(value: float | None) -> str:
    """A share in per cent."""
    return "–" if value is None else f"{100 * value:.1f}"


def held(row: Row, scale: float = 100, digits: int = 1) -> str:
    """A value with its interval."""
    ends = "" if row["lo"] is None else f" ({scale * row['lo']:.{digits}f} to {scale * row['hi']:.{digits}f})"
    return f"{scale * row['value']:.{digits}f}{ends}"


def texts() -> str:
    """What was read."""
    domains = about()["domains"]
    body = [
        [name, STANDS_FOR.get(name, "–"), f"{each['documents']:,}", f"{each['tokens']:,}"]
        for name, each in domains.items()
    ]
    total = [f"{sum(each[part] for each in domains.values()):,}" for part in ("documents", "tokens")]
    found = about()
    stated = (
        f"Model `{found['model_hash'][:12]}`, tokenizer `{found['tokenizer_hash'][:12]}` (SHA-256), measured with the "
        f"program of commit `{found['provenance']['commit'][:7]}` on {found['provenance']['date']}."
    )
    held = table(["domain", "stands for", "documents", "tokens"], [*body, ["**all**", "", *total]])
    return f"{held}\n\n{stated}"


def repetition() -> str:
    """Table 5: the rates, each over its marginal and its shuffle null."""
    found = rows_of("repetition")
    columns = [(choice, layer) for choice in ("first", "either") for layer in SHOWN]
    head = ["domain", *(f"{choice}, layer {layer}" for choice, layer in columns)]
    body = []
    for domain in sorted({each["domain"] for each in found}):
        cells = []
        for choice, layer in columns:
            (row,) = [e for e in found if (e["domain"], e["choice"], e["layer"]) == (domain, choice, layer)]
            cells.append(
                f"**{percent(row['value'])}** / {percent(row['null_marginal'])} / {percent(row['null_shuffle'])}"
            )
        body.append([domain, *cells])
    return table(head, body)


def kappas() -> str:
    """What is left of the repetition when the marginal chance is taken out, from the least to the most domain."""
    body = []
    for choice in ("first", "either"):
        cells = []
        for layer in range(8):
            values = [
                each["value"] for each in rows_of("kappa", choice=choice, layer=layer) if each["value"] is not None
            ]
            cells.append(f"{min(values):+.2f} to {max(values):+.2f}, median {statistics.median(values):+.2f}")
        body.append([choice, *cells])
    return table(["layer", "first choice", "first or second"], [[str(n), a, b] for n, (a, b) in _columns(body)])


def _columns(body: list[list[str]]) -> list[tuple[int, tuple[str, str]]]:
    return list(enumerate(zip(body[0][1:], body[1][1:], strict=True)))


def distances() -> str:
    """Divergences of all pairs of domains, and of the pairs that the real Mixtral can be held beside."""
    body = []
    for layer in range(8):
        pairs = rows_of("distances", measure="jsd", layer=layer)
        values, null = [each["value"] for each in pairs], max(each["null_shuffle"] for each in pairs)
        (code,) = [e for e in pairs if {e["domain"], e["other"]} == {"math_latex", "source_code"}]
        (books,) = [e for e in pairs if {e["domain"], e["other"]} == {"gutenberg", "source_code"}]
        body.append(
            [
                str(layer),
                f"{min(values):.3f}, {statistics.median(values):.3f}, {max(values):.3f}",
                f"{null:.3f}",
                held(code, 1, 3),
                held(books, 1, 3),
            ]
        )
    head = [
        "layer",
        "least, median, most of 91 pairs",
        "greatest null",
        "math_latex, source_code",
        "gutenberg, source_code",
    ]
    return table(head, body)


def information() -> str:
    """How many bits of the first choice the token and the domain tell, and what words and indentation share."""
    body = []
    for layer in range(8):
        found = {each["measure"]: each for each in rows_of("information", layer=layer)}
        null = found["domain-given-token"]["null_shuffle"]
        body.append(
            [
                str(layer),
                f"{found['entropy']['value']:.2f}",
                held(found["token"], 1, 2),
                held(found["domain"], 1, 2),
                held(found["domain-given-token"], 1, 2),
                f"{null:.2f}",
            ]
        )
    head = ["layer", "entropy", "token tells", "domain tells", "domain tells beyond the token", "its null"]
    return table(head, body)


def words() -> str:
    """How often neighbours within a word, and in indentation, have the same first choice; medians over the domains."""
    body = []
    for layer in range(8):
        cells = []
        for name in ("within-words", "between-words"):
            found = [each for each in rows_of("words", measure=name, layer=layer) if each["value"] is not None]
            value = statistics.median(each["value"] for each in found)
            null = statistics.median(each["null_marginal"] for each in found if each["null_marginal"] is not None)
            cells.append(f"{percent(value)} / {percent(null)}")
        (code,) = rows_of("words", measure="indentation", layer=layer, domain="source_code")
        cells.append(f"{held(code)} / {percent(code['null_marginal'])}")
        body.append([str(layer), *cells])
    return table(["layer", "within words", "between words", "indentation of source code"], body)


def vocabulary() -> str:
    """How well the token's own id, and the next one's, foretell the expert on documents that were held out."""
    body = []
    for layer in range(8):
        own, following = (
            rows_of(kept, measure="held-out", layer=layer)[0] for kept in ("vocabulary", "vocabulary-of-next")
        )
        (raw,) = rows_of("vocabulary", measure="share", layer=layer)
        body.append([str(layer), percent(raw["value"]), held(own), held(following), percent(own["null_marginal"])])
    return table(["layer", "raw", "own token, held out", "next token, held out", "without any token"], body)


def loads() -> str:
    """Load: how far the busiest expert is above the mean, in each domain and in all text together."""
    body = []
    for layer in range(8):
        values = [each["value"] for each in rows_of("load", layer=layer)]
        (together,) = rows_of("load-together", layer=layer)
        body.append(
            [
                str(layer),
                held(together, 1, 2),
                f"{min(values):.2f}, {statistics.median(values):.2f}, {max(values):.2f}",
            ]
        )
    return table(["layer", "all text together", "least, median, most domain"], body)


def systems() -> str:
    """What a cache of half the experts finds, and what the layer before foretells; medians over the domains."""
    body = []
    for layer in range(8):
        cache = rows_of("cache", layer=layer, capacity=4, scope="layer", check="batch")
        ahead = rows_of("prefetch", layer=layer, ahead=1, size=2)
        near = rows_of("local-consistency", layer=layer, measure="srp", length=16)
        cells = [_medians(cache, "null_shuffle"), _medians(near, "null_marginal"), _medians(ahead, "null_marginal")]
        body.append([str(layer), *cells])
    head = [
        "layer",
        "LRU cache of 4 of 8 hits",
        "best segment router, F1 at 16 tokens",
        "2 foretold from the layer before",
    ]
    return table(head, body)


def _medians(rows: Sequence[Row], null: str) -> str:
    known = [each for each in rows if each["value"] is not None]
    if not known:
        return "–"
    chances = [each[null] for each in known if each[null] is not None]
    value = percent(statistics.median(each["value"] for each in known))
    return f"{value} / {percent(statistics.median(chances)) if chances else '–'}"


def preferred() -> str:
    """The tokens that each expert of three layers is chosen for most strikingly."""
    parts = []
    for layer in SHOWN:
        body = [
            [
                str(expert),
                " ".join(_spelled(each["token"]) for each in rows_of("preferred", layer=layer, expert=expert)),
            ]
            for expert in range(8)
        ]
        head = [f"layer {layer}: expert", "tokens that it is chosen for more than others"]
        parts.append(table(head, body).replace("---:", "---"))
    return "\n\n".join(parts)


def _spelled(token: str | None) -> str:
    shown = "?" if token is None else token.replace("\n", "↵").replace("\t", "⇥").replace(" ", "␣")
    return f"`{shown.replace('`', 'ˋ').replace('|', '¦')}`"


TABLES: dict[str, Callable[[], str]] = {
    "texts": texts,
    "repetition": repetition,
    "kappa": kappas,
    "distances": distances,
    "information": information,
    "words": words,
    "vocabulary": vocabulary,
    "load": loads,
    "systems": systems,
    "preferred": preferred,
}
