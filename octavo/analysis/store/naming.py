"""The names of a trace's files, safe on any disk whatever a domain is called.

    domain=NAME/part-RRRRR-NNNNNN.parquet      part N of the rows that process R has written for a domain
    documents-RRRRR.parquet                    what process R has written, once it is done
    .writing-RRRRR                             process R is at work, or was stopped before it was done

A domain's name stands percent-encoded, as Hive's partitions have it; one of more than 200 bytes is cut, and ends in its
hash.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import quote, unquote

DOMAIN = "domain="
VOCABULARY = "vocabulary.parquet"
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # what Hive's readers take for no value at all
LONGEST = 200
KEPT = 150

_PART = re.compile(r"part-(\d{5,})-(\d{6,})\.parquet")
_MARK = re.compile(r"\.writing-(\d{5,})")
_INDEX = re.compile(r"documents-(\d{5,})\.parquet")


def domain_folder(domain: str) -> str:
    """The name of the folder that holds a domain's parts."""
    # A tilde marks a name that was cut, so one of the domain's own is encoded.
    encoded = quote(domain, safe="").replace("~", "%7E")
    if encoded == HIVE_NULL:
        encoded = "%5F" + encoded[1:]
    if len(encoded) > LONGEST:
        digest = hashlib.sha256(domain.encode()).hexdigest()[:16]
        kept = ""
        for character in domain:
            kept += quote(character, safe="").replace("~", "%7E")
            if len(kept) > KEPT:
                break
        encoded = kept + "~" + digest
    return DOMAIN + encoded


def folder_domain(folder: str) -> str:
    """The domain that a folder's name spells, which is not all of the domain's own name where that was cut."""
    return unquote(folder.removeprefix(DOMAIN), errors="replace")


def part_name(rank: int, index: int) -> str:
    """The file of a process's part ``index`` of a domain."""
    return f"part-{rank:05}-{index:06}.parquet"


def read_part_name(name: str) -> tuple[int, int] | None:
    """The rank and the index in a part's name; None for another file."""
    match = _PART.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def index_name(rank: int) -> str:
    """The file with the documents of a process that is done."""
    return f"documents-{rank:05}.parquet"


def indices(folder: Path) -> dict[int, Path]:
    """The documents' files of a trace, by rank."""
    found = {path: _INDEX.fullmatch(path.name) for path in sorted(folder.iterdir())}
    return {int(match[1]): path for path, match in found.items() if match}


def unfinished(folder: Path, rank: int) -> list[Path]:
    """What a process under ``rank`` was writing when it was stopped; it has no name of its own yet."""
    return [*folder.glob(f"{DOMAIN}*/.part-{rank:05}-*.new"), *folder.glob(f".{index_name(rank)}.*.new")]


def mark_name(rank: int) -> str:
    """The file that says that a process is at work."""
    return f".writing-{rank:05}"


def marks(folder: Path) -> list[Path]:
    """The marks of all processes that are at work, or were stopped."""
    return sorted(folder.glob(".writing-*"))


def marked_ranks(folder: Path) -> frozenset[int]:
    """The ranks of all processes that are at work, or were stopped."""
    return frozenset(int(match[1]) for path in marks(folder) if (match := _MARK.fullmatch(path.name)))
