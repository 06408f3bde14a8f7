"""What a measured server is asked: random tokens, random words, pieces of a corpus, or a file of prompts."""

import importlib.resources
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octavo.errors import RequestError

# Ids in this range are ordinary pieces of words in every vocabulary of the field.
FIRST_ID, LAST_ID = 1_000, 4_000
CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """One request: a text or token ids, and the most tokens to generate."""

    prompt: str | list[int]
    output_len: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long prompts and outputs are, in tokens, each drawn from its length ± ``ratio`` of it."""

    prompt: int
    output: int
    ratio: float = 0.0

    def __post_init__(self) -> None:
        if self.prompt < 1 or self.output < 1:
            raise RequestError(f"lengths are {self.prompt} and {self.output} tokens: want at least 1 of each")
        if not 0 <= self.ratio < 1:
            raise RequestError(f"--random-range-ratio is {self.ratio:g}: want a share from 0 to below 1")

    def draw(self, count: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """``count`` pairs of lengths."""
        pairs = [
            generator.integers(
                max(1, round(length * (1 - self.ratio))), round(length * (1 + self.ratio)) + 1, size=count
            )
            for length in (self.prompt, self.output)
        ]
        return [(int(prompt), int(output)) for prompt, output in zip(*pairs, strict=True)]


def random_tokens(count: int, lengths: Lengths, generator: np.random.Generator) -> list[BenchRequest]:
    """Prompts of random token ids: exactly as long as asked, and no two of them alike."""
    return [
        BenchRequest(prompt=[int(token) for token in generator.integers(FIRST_ID, LAST_ID, prompt)], output_len=output)
        for prompt, output in lengths.draw(count, generator)
    ]


def random_words(count: int, lengths: Lengths, generator: np.random.Generator, texts: list[str]) -> list[BenchRequest]:
    """Prompts of as many words, drawn from texts in any order: for chats, which take no token ids."""
    words = np.array(sorted({word for text in texts for word in text.split()}))
    return [
        BenchRequest(prompt=" ".join(words[generator.integers(0, len(words), prompt)]), output_len=output)
        for prompt, output in lengths.draw(count, generator)
    ]


def corpus_pieces(count: int, lengths: Lengths, generator: np.random.Generator, texts: list[str]) -> list[BenchRequest]:
    """Pieces of texts from random places, each of about the length asked for (at 4 characters a token)."""
    requests = []
    for prompt, output in lengths.draw(count, generator):
        text = texts[int(generator.integers(len(texts)))]
        size = prompt * CHARACTERS_A_TOKEN
        start = int(generator.integers(max(1, len(text) - size)))
        piece = text[start : start + size]
        # From the beginning of a word on, where there is one.
        piece = piece[piece.find(" ") + 1 :] if start else piece
        requests.append(BenchRequest(prompt=piece or text, output_len=output))
    return requests


def custom_prompts(path: Path, count: int, output_len: int) -> list[BenchRequest]:
    """The prompts of lines of ``{"prompt": "..."}``, some with ``output_tokens``; from the top again at the end."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            prompt, output = row["prompt"], int(row.get("output_tokens", output_len))
        except (ValueError, KeyError, TypeError):
            prompt, output = None, 0
        if not isinstance(prompt, str) or output < 1:
            raise RequestError(f'{path}: line {number} is no {{"prompt": "..."}}: want one a line')
        found.append(BenchRequest(prompt=prompt, output_len=output))
    if not found:
        raise RequestError(f'{path} holds no prompt: want lines of {{"prompt": "..."}}')
    return [found[place % len(found)] for place in range(count)]


def read_texts(path: Path | None) -> list[str]:
    """The texts of a file or of a folder's .txt files; without a path those that are part of the package."""
    root = Path(str(importlib.resources.files("octavo") / "samples")) if path is None else path
    files = sorted(root.rglob("*.txt")) if root.is_dir() else [root]
    texts = [text for file in files if (text := file.read_text(encoding="utf-8", errors="replace").strip())]
    if not texts:
        raise RequestError(f"{root} holds no text: want a file, or a folder of .txt files")
    return texts
