"""The dense twin of octavo-mini: a feed-forward as wide as K experts, everything else the same.

octavo train recipes/octavo_mini_dense.py --corpus FOLDER --output runs/octavo-mini-dense
"""

import runpy
from dataclasses import replace
from pathlib import Path

from octavo.config import mini
from octavo.training.config import TrainConfig


def recipe() -> TrainConfig:
    """octavo-mini's recipe with another model."""
    sparse: TrainConfig = runpy.run_path(str(Path(__file__).with_name("octavo_mini.py")))["recipe"]()
    return replace(sparse, model=mini(num_experts=0))
