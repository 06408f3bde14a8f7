"""A thousand broken folders, a thousand clear errors: none loads, none crashes, each error names the culprit."""

import os
import random
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from octavo.checkpoint import Dialect, load_model, save_model
from octavo.checkpoint.load import empty_model
from octavo.errors import CheckpointError, ConfigError
from tests.checkpoint.conftest import SPARSE
from tests.checkpoint.corruptions import CORRUPTIONS, Corruption

ROUNDS, PER_ROUND = 20, 50


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Whole folders: three dialects, in one file and in several, sparse, dense and tied."""
    place = tmp_path_factory.mktemp("whole")
    dense = replace(SPARSE, num_experts=0, num_experts_per_tok=0)
    made = []
    for config in (SPARSE, dense, replace(SPARSE, tie_embeddings=True)):
        model = empty_model(config, device="cpu", dtype=torch.float32).init_weights(seed=1)
        for parameter in model.parameters():
            # No two tensors alike, so that swapping any two is a change.
            torch.nn.init.normal_(parameter)
        for dialect in (Dialect.HF, Dialect.HF_STACKED, Dialect.NATIVE):
            for shard in (None, 40_000):
                made.append(place / str(len(made)))
                save_model(model, made[-1], dialect=dialect, max_shard_bytes=shard)
    return made


def test_the_folders_load_before_they_are_broken(whole: list[Path]) -> None:
    assert all(load_model(folder) for folder in whole)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_fifty_broken_folders_give_fifty_errors(whole: list[Path], tmp_path: Path, number: int) -> None:
    dice, complaints = random.Random(number), []
    for turn in range(PER_ROUND):
        corruption = CORRUPTIONS[(number * PER_ROUND + turn) % len(CORRUPTIONS)]
        folder = tmp_path / f"{turn}-{corruption.__name__}"
        shutil.copytree(dice.choice(whole), folder)
        complaints += complaints_of(folder, corruption, dice)
    assert complaints == []


def complaints_of(folder: Path, corruption: Corruption, dice: random.Random) -> list[str]:
    """What is wrong with the way in which loading a broken folder fails."""
    named = corruption(folder, dice)
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    try:
        load_model(folder)
    except (CheckpointError, ConfigError) as error:
        text = str(error)
    else:
        return [f"{folder} loaded"]
    clear = str(folder) in text and text.isprintable() and len(text.removeprefix(str(folder))) < 500
    complaints = [] if clear else [f"not clear: {text}"]
    complaints += [f"does not name {name}: {text}" for name in named if name not in text]
    if (len(os.listdir("/proc/self/fd")), threading.active_count()) != (descriptors, threads):
        complaints.append(f"left a file or a thread open: {text}")
    return complaints


def test_every_way_to_break_a_folder_is_among_the_thousand() -> None:
    assert ROUNDS * PER_ROUND == 1000
    assert len(CORRUPTIONS) <= PER_ROUND
