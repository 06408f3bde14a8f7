"""Ways to break links, indexes, settings and manifests, and the list of all ways to break a model folder."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.checkpoint import broken_weights as weights
from tests.checkpoint.broken_weights import Corruption, any_file, gone, sometimes_without_manifest, truncated

OUTSIDE = "/etc/hostname"


def index_of(folder: Path) -> Path | None:
    return next(iter(folder.glob("*.index.json")), None)


def settings_of(folder: Path) -> Path:
    return next(path for path in (folder / "config.json", folder / "params.json") if path.exists())


def linked_outside(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    elsewhere = folder.parent / f"{folder.name}-elsewhere"
    shutil.move(file, elsewhere)
    file.symlink_to(dice.choice([str(elsewhere), OUTSIDE, "../../../../../../etc/hostname", "/dev/zero"]))
    return [file.name]


def linked_in_a_circle(folder: Path, dice: random.Random) -> list[str]:
    file = any_file(folder, dice)
    file.unlink()
    file.symlink_to(file.name)
    return []


def index_changed(change: Callable[[dict, random.Random], object]) -> Corruption:
    def corrupt(folder: Path, dice: random.Random) -> list[str]:
        sometimes_without_manifest(folder, dice)
        index = index_of(folder)
        if index is None:
            return truncated(folder, dice)
        value = json.loads(index.read_text())
        changed = change(value, dice)
        index.write_text(changed if isinstance(changed, str) else json.dumps(changed if changed is not None else value))
        return []

    corrupt.__name__ = change.__name__
    return corrupt


def index_names_nothing(value: dict, dice: random.Random) -> object:
    return dice.choice(
        ["{}", "[]", "null", '{"weight_map": {}}', '{"weight_map": [1]}', "", "{", '{"weight_map": NaN}']
    )


def index_names_another_file(value: dict, dice: random.Random) -> None:
    files = sorted(set(value["weight_map"].values()))
    name = dice.choice(sorted(value["weight_map"]))
    value["weight_map"][name] = dice.choice([file for file in files if file != value["weight_map"][name]])


def index_names_a_stranger(value: dict, dice: random.Random) -> None:
    names = ["../x.safetensors", "/x.safetensors", "a/b.safetensors", "..", "", "\0.safetensors", 7, None, "x.bin"]
    names += [
        "no.safetensors",
        "..\\x.safetensors",
        "~/x.safetensors",
        "é\ud800.safetensors",
        "x" * 5000 + ".safetensors",
    ]
    value["weight_map"][dice.choice(sorted(value["weight_map"]))] = dice.choice(names)


def index_forgets(value: dict, dice: random.Random) -> None:
    del value["weight_map"][dice.choice(sorted(value["weight_map"]))]


def index_invents(value: dict, dice: random.Random) -> None:
    value["weight_map"]["layers.99.w"] = dice.choice(sorted(value["weight_map"].values()))


def index_gone(folder: Path, dice: random.Random) -> list[str]:
    index = index_of(folder)
    if index is None:
        return gone(folder, dice)
    index.unlink()
    return []


def settings_changed(folder: Path, dice: random.Random) -> list[str]:
    sometimes_without_manifest(folder, dice)
    file = settings_of(folder)
    value = json.loads(file.read_text())
    native = file.name == "params.json"
    name = dice.choice(
        ["dim", "n_layers", "n_heads", "hidden_dim"]
        if native
        else ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
    )
    value[name] = dice.choice([0, -1, "8", 7.5, True, None, [8], {}, 10**12, 10**30, value[name] + 1, value[name] * 2])
    file.write_text(json.dumps(value))
    return []


def settings_broken(folder: Path, dice: random.Random) -> list[str]:
    file = settings_of(folder)
    text = file.read_text()
    wrong = [
        "",
        "{",
        "[]",
        "null",
        "\ufeff" + text,
        text[:-9],
        "[" * 100_000,
        text.replace("{", '{"vocab_size": NaN,', 1),
    ]
    wrong += [
        text.replace("{", '{"vocab_size": 9,', 1),
        text.replace("{", '{"x": 1e999,', 1),
        text.replace("{", f'{{"x": {"9" * 5000},', 1),
    ]
    file.write_text(dice.choice(wrong))
    return [file.name]


def settings_gone(folder: Path, dice: random.Random) -> list[str]:
    settings_of(folder).unlink()
    return []


def theta_changed(folder: Path, dice: random.Random) -> list[str]:
    file = settings_of(folder)
    file.write_text(file.read_text().replace("1000000.0", "10000.0"))
    return ["rope_theta"]


def manifest_bit_flipped(folder: Path, dice: random.Random) -> list[str]:
    file = folder / "octavo-manifest.json"
    raw = bytearray(file.read_bytes())
    # Letters and digits: spaces between them may change without changing what is said.
    places = [at for at, byte in enumerate(raw) if chr(byte).isalnum()]
    raw[dice.choice(places)] ^= 1 << dice.randrange(8)
    file.write_bytes(raw)
    return [file.name]


HEADERS = [
    weights.renamed,
    weights.re_typed,
    weights.mis_shaped,
    weights.dropped,
    weights.overlapping,
    weights.backwards,
    weights.nested,
]
INDEXES = [index_names_nothing, index_names_another_file, index_names_a_stranger, index_forgets, index_invents]
CORRUPTIONS: list[Corruption] = [
    *(
        weights.truncated,
        weights.appended_to,
        weights.emptied,
        weights.gone,
        weights.made_a_folder,
        weights.noise,
        weights.header_bit_flipped,
        weights.length_bit_flipped,
    ),
    *(
        weights.header_too_large,
        weights.bit_flipped,
        weights.sixteen_bytes_replaced,
        weights.two_tensors_swapped,
        weights.two_files_swapped,
    ),
    *map(weights.changed_header, HEADERS),
    *(weights.said_twice, weights.held_twice, weights.one_too_many, linked_outside, linked_in_a_circle),
    *map(index_changed, INDEXES),
    *(index_gone, settings_changed, settings_broken, settings_gone, theta_changed, manifest_bit_flipped),
]
