"""octavo-mini: the embedded sparse mixture of experts, 15.5 M parameters of which 6.6 M read each token.

octavo train recipes/octavo_mini.py --corpus FOLDER --output runs/octavo-mini
"""

from pathlib import Path

from octavo.config import mini
from octavo.training.config import TrainConfig


def recipe() -> TrainConfig:
    """The run that made the weights in octavo/mini."""
    return TrainConfig(
        model=mini(),
        tokenizer=str(Path(__file__).parents[1] / "octavo" / "mini"),
        tokens=750_000_000,
        batch_tokens=131_072,
        mix_power=0.5,
        chat_share=0.05,
        optimizer="muon",
        learning_rate=3e-3,
        matrix_learning_rate=1e-2,
        warmup=0.02,
        decay=0.8,
        report_every=20,
        validate_every=1000,
        checkpoint_every=2000,
    )
