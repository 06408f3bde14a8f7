"""The items of the evaluation tasks, cut from the texts of the package: the same wherever they are made.

choice.jsonl   which of four pieces of texts goes on the one that is shown
text.jsonl     texts to score
go_on.jsonl    beginnings to go on from
sums.jsonl     sums for a chat
"""

import importlib.resources
import json
import random
from pathlib import Path
from typing import Any

TASKS = Path(__file__).parent / "tasks"
SHOWN, PIECE = 160, 48
Item = dict[str, Any]


def write_items(folder: Path, *, share: float = 1.0, seed: int = 0) -> dict[str, int]:
    """Writes the items of all tasks, or a seeded share of them; returns how many each has."""
    counts = {}
    for name, items in (("choice", choices()), ("text", texts()), ("go_on", beginnings()), ("sums", sums())):
        kept = sorted(random.Random(seed).sample(range(len(items)), max(1, round(share * len(items)))))
        lines = [json.dumps(items[place]) for place in kept]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        counts[name] = len(lines)
    return counts


def read_texts() -> list[str]:
    """The texts of the package."""
    root = Path(str(importlib.resources.files("octavo") / "samples"))
    return [path.read_text(encoding="utf-8").strip() for path in sorted(root.rglob("*.txt"))]


def choices() -> list[Item]:
    """From three places of each text, the piece that follows among those of three other texts."""
    draw = random.Random(1)
    found = read_texts()
    items = []
    for place, text in enumerate(found):
        for start in (0, len(text) // 4, len(text) // 2):
            true = text[start + SHOWN : start + SHOWN + PIECE]
            others = draw.sample([other for number, other in enumerate(found) if number != place], 3)
            pieces = [other[SHOWN : SHOWN + PIECE] for other in others]
            answer = draw.randrange(4)
            pieces.insert(answer, true)
            items.append({"text": text[start : start + SHOWN], "choices": pieces, "answer": answer})
    return items


def texts() -> list[Item]:
    """The beginnings of all texts."""
    return [{"text": text[:1200]} for text in read_texts()]


def beginnings() -> list[Item]:
    """Two places of each text to go on from, and how the text goes on."""
    return [
        {"text": text[start : start + SHOWN].rstrip(), "target": text[start + SHOWN : start + SHOWN + PIECE].strip()}
        for text in read_texts()
        for start in (0, len(text) // 3)
    ]


def sums() -> list[Item]:
    """Sums of numbers up to 20."""
    draw = random.Random(2)
    pairs = [(draw.randrange(1, 21), draw.randrange(1, 21)) for _ in range(64)]
    return [{"a": a, "b": b, "sum": str(a + b)} for a, b in pairs]
