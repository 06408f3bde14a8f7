"""Rule R12: what a binary file says of lengths and shapes is held against its bytes before anything is allocated.

Every format that we parse: safetensors, SentencePiece, tekken, and the Parquet of our traces.
"""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from octavo.checkpoint import save_model
from octavo.model import Transformer
from tests.analysis.store.traces import parts_of, some_documents, written

ROOT = Path(__file__).parent.parent.parent.parent
SECONDS = 30


def safetensors(header: object, tail: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + tail


def tensor(shape: list[int], start: int, stop: int, dtype: str = "F32") -> dict[str, object]:
    return {"norm.weight": {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}}


WEIGHTS = {
    "a_header_longer_than_the_file_CVE_2024_23605": safetensors({}, length=2**62),
    "a_header_of_two_gigabytes_CVE_2024_21802": safetensors({}, length=2**31),
    "a_shape_of_more_than_its_bytes": safetensors(tensor([2**40, 2**40], 0, 4), b"\0" * 4),
    "a_shape_that_overflows": safetensors(tensor([2**32, 2**32, 2**32], 0, 0)),
    "offsets_beyond_the_file": safetensors(tensor([4], 0, 16), b"\0" * 4),
    "offsets_that_go_back": safetensors(tensor([1], 8, 4), b"\0" * 16),
    "a_shape_below_nothing": safetensors(
        b'{"norm.weight":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', b"\0" * 4
    ),
    "many_dimensions": safetensors(tensor([1] * 5000, 0, 4), b"\0" * 4),
    "an_unknown_type": safetensors(tensor([1], 0, 4, "F99"), b"\0" * 4),
    "a_header_too_deep": safetensors(b"[" * 100_000),
    "no_header": b"\0" * 3,
    "noise": bytes(range(256)) * 8,
}


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


SENTENCEPIECE = {
    "a_piece_longer_than_the_file": b"\x0a" + varint(2**40) + b"a",
    "a_length_without_end": b"\x0a" + b"\xff" * 100,
    "a_number_of_a_field_that_overflows": varint(2**63) * 10,
    "groups_in_groups": b"\x0b" * 100_000,
    "a_million_empty_pieces": b"\x0a\x00" * 1_000_000,
    "noise": bytes(range(256)) * 8,
}
TEKKEN: dict[str, object] = {
    "a_vocabulary_of_nothing": {"config": {"default_vocab_size": 2**60}, "vocab": []},
    "a_rank_beyond_all": {
        "config": {"pattern": "a"},
        "vocab": [{"rank": 2**62, "token_bytes": "YQ==", "token_str": "a"}],
    },
    "bytes_that_are_none": {"config": {"pattern": "a"}, "vocab": [{"rank": 0, "token_bytes": "???"}]},
    "a_pattern_without_end": {"config": {"pattern": "(a+)+" * 1000}, "vocab": []},
    "lists_in_lists": json.loads("[" * 900 + "]" * 900),
}


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def overwritten(content: bytes) -> bytes:
    at = len(content) // 3
    return content[:at] + b"\xff" * 64 + content[at + 64 :]


def with_a_long_footer(content: bytes) -> bytes:
    return content[:-8] + struct.pack("<I", 2**31 - 1) + content[-4:]


def of_noise(content: bytes) -> bytes:
    return os.urandom(len(content))


TRACES: tuple[Callable[[bytes], bytes], ...] = (halved, overwritten, with_a_long_footer, of_noise)
NAMES = [*WEIGHTS, *(f"sentencepiece {each}" for each in SENTENCEPIECE), *(f"tekken {each}" for each in TEKKEN)]
NAMES += [f"trace {each.__name__}" for each in TRACES]


@pytest.fixture(scope="module")
def outcomes(sparse: Transformer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float]]:
    """How reading each of the damaged files ended."""
    home = tmp_path_factory.mktemp("damaged")
    kinds = []
    for name, content in WEIGHTS.items():
        folder = home / name
        save_model(sparse, folder)
        (folder / "octavo-manifest.json").unlink(missing_ok=True)
        for file in folder.glob("*.safetensors"):
            file.write_bytes(content)
        kinds.append(f"weights={folder}")
    for number, content in enumerate([*SENTENCEPIECE.values(), *TEKKEN.values()]):
        folder = home / f"tokenizer-{number}"
        folder.mkdir()
        if isinstance(content, bytes):
            (folder / "tokenizer.model").write_bytes(content)
        else:
            (folder / "tekken.json").write_text(json.dumps(content))
        kinds.append(f"tokenizer={folder}")
    for spoil in TRACES:
        folder = written(home / f"{spoil.__name__}.route", some_documents())
        for part in parts_of(folder):
            part.write_bytes(spoil(part.read_bytes()))
        kinds.append(f"trace={folder}")
    call = [sys.executable, "-m", "tests.server.rules.reading", *kinds]
    done = subprocess.run(call, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(NAMES, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_rule_R12_bounds_come_first_CVE_2024_21802_CVE_2024_23605(
    outcomes: dict[str, tuple[str, float]], name: str
) -> None:
    error, seconds = outcomes[name]
    assert error.startswith("octavo.errors."), error
    assert seconds < SECONDS
