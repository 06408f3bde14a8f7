"""Ways to break weight files, their bytes and their headers; each returns what the error must name."""

import json
import random
from collections.abc import Callable
from pathlib import Path

Corruption = Callable[[Path, random.Random], list[str]]


def split_file(file: Path) -> tuple[dict, bytes]:
    """A safetensors file as its header and its tensors' bytes."""
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def join_file(file: Path, header: dict | bytes, body: bytes) -> None:
    """Writes header and bytes as they are, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(len(text).to_bytes(8, "little") + text + body)


def weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def any_file(folder: Path, dice: random.Random) -> Path:
    return dice.choice(weights(folder))


def any_tensor(header: dict, dice: random.Random) -> str:
    return dice.choice(sorted(name for name in header if name != "__metadata__"))


def without_manifest(folder: Path) -> None:
    (folder / "octavo-manifest.json").unlink(missing_ok=True)


def sometimes_without_manifest(folder: Path, dice: random.Random) -> None:
    if dice.random() < 0.5:
        without_manifest(folder)


def truncated(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    raw = file.read_bytes()
    file.write_bytes(raw[: dice.randrange(1, len(raw))])
    return [file.name]


def appended_to(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    file.write_bytes(file.read_bytes() + dice.randbytes(dice.randrange(1, 64)))
    return [file.name]


def emptied(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    file.write_bytes(b"")
    return [file.name]


def gone(folder: Path, dice: random.Random) -> list[str]:
    any_file(folder, dice).unlink()
    return []


def made_a_folder(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    file.unlink()
    file.mkdir()
    return [file.name]


def noise(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    file.write_bytes(dice.randbytes(file.stat().st_size))
    return [file.name]


def header_bit_flipped(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    raw = bytearray(file.read_bytes())
    length = int.from_bytes(raw[:8], "little")
    # Past the remark that says who wrote the file, which changes nothing.
    start = raw.index(b'}"' if b'}"' in raw[:64] else b"},", 0) + 2
    raw[dice.randrange(start, 8 + length)] ^= 1 << dice.randrange(8)
    file.write_bytes(raw)
    return []


def length_bit_flipped(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    raw = bytearray(file.read_bytes())
    raw[dice.randrange(8)] ^= 1 << dice.randrange(8)
    file.write_bytes(raw)
    return [file.name]


def header_too_large(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    file.write_bytes((100_000_001 + dice.randrange(1 << 40)).to_bytes(8, "little") + file.read_bytes()[8:])
    return [file.name]


def bit_flipped(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    header, body = split_file(file)
    name = any_tensor(header, dice)
    changed = bytearray(body)
    changed[dice.randrange(*header[name]["data_offsets"])] ^= 1 << dice.randrange(8)
    join_file(file, header, bytes(changed))
    return [file.name, name, "SHA-256"]


def sixteen_bytes_replaced(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    header, body = split_file(file)
    at = dice.randrange(len(body) - 16)
    join_file(file, header, body[:at] + dice.randbytes(16) + body[at + 16 :])
    return [file.name, "SHA-256"]


def two_tensors_swapped(folder: Path, dice: random.Random) -> list[str]:
    file = max(weights(folder), key=lambda path: path.stat().st_size)
    header, body = split_file(file)
    by_shape: dict[str, list[str]] = {}
    for name in sorted(header.keys() - {"__metadata__"}):
        by_shape.setdefault(str(header[name]["shape"]), []).append(name)
    pairs = [names for names in by_shape.values() if len(names) > 1]
    if not pairs:
        return bit_flipped(folder, dice)
    one, other = dice.sample(dice.choice(pairs), 2)
    header[one], header[other] = header[other], header[one]
    join_file(file, header, body)
    return [file.name]


def two_files_swapped(folder: Path, dice: random.Random) -> list[str]:
    if len(weights(folder)) < 2:
        return two_tensors_swapped(folder, dice)
    one, other = dice.sample(weights(folder), 2)
    one.rename(folder / "aside")
    other.rename(one)
    (folder / "aside").rename(other)
    return []


def changed_header(change: Callable[[dict, str, random.Random], None]) -> Corruption:
    def corrupt(folder: Path, dice: random.Random) -> list[str]:
        sometimes_without_manifest(folder, dice)
        file = any_file(folder, dice)
        header, body = split_file(file)
        name = any_tensor(header, dice)
        change(header, name, dice)
        join_file(file, header, body)
        return []

    corrupt.__name__ = change.__name__
    return corrupt


def renamed(header: dict, name: str, dice: random.Random) -> None:
    header[dice.choice([name + "x", name[:-1], "layers.99.w1", "", "é\n"])] = header.pop(name)


def re_typed(header: dict, name: str, dice: random.Random) -> None:
    header[name]["dtype"] = dice.choice(["I32", "U32", "F64", "BF16", "F16", "F8_E4M3", "BOOL", "nothing", 7])


def mis_shaped(header: dict, name: str, dice: random.Random) -> None:
    shape = header[name]["shape"]
    header[name]["shape"] = dice.choice([[1, *shape], [*shape, 1], [], [-1], [1 << 62, 4], "square", [*shape[:-1], 0]])


def dropped(header: dict, name: str, dice: random.Random) -> None:
    del header[name]


def overlapping(header: dict, name: str, dice: random.Random) -> None:
    start, stop = header[name]["data_offsets"]
    shift = dice.choice([-8, 8, 1 << 40, -1])
    header[name]["data_offsets"] = [start + shift, stop + shift]


def backwards(header: dict, name: str, dice: random.Random) -> None:
    header[name]["data_offsets"].reverse()


def nested(header: dict, name: str, dice: random.Random) -> None:
    header[name] = {"a": {"b": header[name]}}


def said_twice(folder: Path, dice: random.Random) -> list[str]:
    sometimes_without_manifest(folder, dice)
    file = any_file(folder, dice)
    header, body = split_file(file)
    name = any_tensor(header, dice)
    text = json.dumps(header)
    entry = json.dumps({name: header[name]})[1:-1]
    join_file(file, (text[:-1] + ", " + entry + "}").encode(), body)
    return [file.name, name]


def held_twice(folder: Path, dice: random.Random) -> list[str]:
    sometimes_without_manifest(folder, dice)
    if len(weights(folder)) < 2:
        return said_twice(folder, dice)
    source, target = dice.sample(weights(folder), 2)
    header, body = split_file(source)
    name = any_tensor(header, dice)
    start, stop = header[name]["data_offsets"]
    added, whole = split_file(target)
    added[name] = {**header[name], "data_offsets": [len(whole), len(whole) + stop - start]}
    join_file(target, added, whole + body[start:stop])
    return [name]


def one_too_many(folder: Path, dice: random.Random) -> list[str]:
    sometimes_without_manifest(folder, dice)
    file = any_file(folder, dice)
    header, body = split_file(file)
    header["extra.weight"] = {"dtype": "F32", "shape": [2], "data_offsets": [len(body), len(body) + 8]}
    join_file(file, header, body + bytes(8))
    return [file.name, "extra.weight"]
