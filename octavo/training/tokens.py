"""A corpus as token ids on disk: every document of a split is read, checked and tokenised before the first step.

For each shard three files are kept: the ids of all documents end to end, each with its begin and end token; where
each document starts; and how many bytes of UTF-8 it has. They are mapped, not loaded, so a corpus may be larger than
memory.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from octavo.errors import CorpusError, TokenizerError
from octavo.training.conversations import conversations
from octavo.training.corpus import Document, Shard, documents

CHAT = "chat"
_DOCUMENTS_AT_ONCE = 256
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class TokenShard:
    """The documents of one file: document d is ``id_N[start_D1[d]:start_D1[d + 1]]``, begin and end token included.

    ``byte_D`` counts the bytes of its text. ``source`` is the file they came from.
    """

    domain: str
    source: Path
    id_N: NDArray[np.unsignedinteger]
    start_D1: NDArray[np.int64]
    byte_D: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Encoder:
    """Text to ids by a folder's ``tokenizer.json``; what looks like a control token in a text is spelled as text."""

    tokenizer: Tokenizer
    begin: int
    end: int
    ask: int | None
    answer: int | None

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Encoder":
        """Reads ``folder``/tokenizer.json. Raises TokenizerError when it is missing or has no begin and end token."""
        file = Path(folder) / "tokenizer.json"
        if not file.is_file():
            raise TokenizerError(f"{file} is missing: name a folder with a tokenizer.json in the recipe's tokenizer")
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        begin, end, ask, answer = (tokenizer.token_to_id(name) for name in ("<s>", "</s>", "[INST]", "[/INST]"))
        if begin is None or end is None:
            raise TokenizerError(f"{file} has no <s> and </s>: training marks the ends of a document with them")
        return cls(tokenizer, begin, end, ask, answer)

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return self.tokenizer.get_vocab_size(with_added_tokens=True)

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, without begin and end."""
        return [found.ids for found in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def chat(self, turns: list[tuple[str, str]]) -> list[int]:
        """One chat in the v3 form: <s>[INST] question[/INST] answer</s>[INST] ...

        Raises TokenizerError when the tokenizer has no [INST] and [/INST].
        """
        if self.ask is None or self.answer is None:
            raise TokenizerError(
                "the tokenizer has no [INST] and [/INST]: set chat_share to 0 or use one that has them"
            )
        ids = [self.begin]
        for question, answer in turns:
            asked, answered = self.encode([f" {question}", f" {answer}"])
            ids += [self.ask, *asked, self.answer, *answered, self.end]
        return ids


def tokenise(
    shards: Iterable[Shard], tokenizer: str, folder: Path, *, chats: bool = False, workers: int = 1
) -> tuple[TokenShard, ...]:
    """Reads and tokenises every shard into ``folder`` and maps the result; what is there and still fits is kept.

    With ``chats`` the question-and-answer documents are also told as chats, in shards of the domain "chat".
    ``workers`` are processes. Raises CorpusError for the first file that cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = tuple(shards)
    if any(shard.domain == CHAT for shard in shards):
        raise CorpusError(
            f"the corpus has a domain named {CHAT!r}, which names the chats told from it: rename its files"
        )
    write = partial(_write_shard, tokenizer=tokenizer, folder=folder, chats=chats)
    fresh = [shard for shard in shards if not _is_done(shard, tokenizer, folder, chats)]
    if workers > 1 and fresh:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for _ in pool.map(write, sorted(fresh, key=lambda shard: -shard.path.stat().st_size)):
                pass
    else:
        for shard in fresh:
            write(shard)
    plain = [_map_shard(shard, folder / shard.path.name) for shard in shards]
    told = [_map_shard(Shard(CHAT, shard.path), folder / f"{shard.path.name}.chat") for shard in shards if chats]
    return tuple(shard for shard in (*plain, *told) if shard is not None)


def _write_shard(shard: Shard, *, tokenizer: str, folder: Path, chats: bool) -> None:
    """Tokenises one file; the note of what it was made from is written last."""
    stem = folder / shard.path.name
    note = _note(shard, folder)
    note.unlink(missing_ok=True)
    encoder = Encoder.load(tokenizer)
    with _Writer(stem, encoder) as plain, _Writer(stem.with_name(f"{stem.name}.chat"), encoder) as told:
        for group in _groups(documents(shard.path)):
            for document, ids in zip(group, encoder.encode(document.text for document in group), strict=True):
                plain.add([encoder.begin, *ids, encoder.end], len(document.text.encode("utf-8")))
                for turns in conversations(shard.domain, document.text) if chats else ():
                    told.add(encoder.chat(turns), sum(len(text.encode("utf-8")) for turn in turns for text in turn))
    note.write_text(_key(shard, tokenizer, chats), encoding="utf-8")


def _note(shard: Shard, folder: Path) -> Path:
    return folder / f"{shard.path.name}.json"


def _is_done(shard: Shard, tokenizer: str, folder: Path, chats: bool) -> bool:
    """Whether a file has been tokenised with this tokenizer and has not changed since."""
    note = _note(shard, folder)
    return note.is_file() and note.read_text(encoding="utf-8") == _key(shard, tokenizer, chats)


def _groups(found: Iterator[Document]) -> Iterator[list[Document]]:
    while group := list(islice(found, _DOCUMENTS_AT_ONCE)):
        yield group


def _key(shard: Shard, tokenizer: str, chats: bool) -> str:
    """What the token files depend on: the text file as it is, the tokenizer, and this format."""
    stat = shard.path.stat()
    digest = hashlib.sha256((Path(tokenizer) / "tokenizer.json").read_bytes()).hexdigest()
    return json.dumps([_FORMAT, str(shard.path), stat.st_size, stat.st_mtime_ns, digest, chats])


class _Writer:
    """Appends documents to the three files of a shard."""

    def __init__(self, stem: Path, encoder: Encoder) -> None:
        self.stem = stem
        self.type = id_type(encoder.vocab_size)
        self.starts = [0]
        self.bytes: list[int] = []

    def __enter__(self) -> "_Writer":
        self.file = self.stem.with_name(f"{self.stem.name}.ids").open("wb")
        return self

    def add(self, ids: list[int], num_bytes: int) -> None:
        self.file.write(np.asarray(ids, self.type).tobytes())
        self.starts.append(self.starts[-1] + len(ids))
        self.bytes.append(num_bytes)

    def __exit__(self, *_: object) -> None:
        self.file.close()
        np.save(self.stem.with_name(f"{self.stem.name}.starts.npy"), np.asarray(self.starts, np.int64))
        np.save(self.stem.with_name(f"{self.stem.name}.bytes.npy"), np.asarray(self.bytes, np.int64))


def id_type(vocab_size: int) -> type[np.unsignedinteger]:
    """The smallest of the two types that hold every id."""
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32


def _map_shard(shard: Shard, stem: Path) -> TokenShard | None:
    start_D1 = np.load(stem.with_name(f"{stem.name}.starts.npy"))
    if not start_D1[-1]:
        return None
    file = stem.with_name(f"{stem.name}.ids")
    kind = np.uint16 if file.stat().st_size == 2 * start_D1[-1] else np.uint32
    id_N = np.memmap(file, dtype=kind, mode="r")
    return TokenShard(shard.domain, shard.path, id_N, start_D1, np.load(stem.with_name(f"{stem.name}.bytes.npy")))
