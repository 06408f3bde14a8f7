"""A chunk knows which of its documents a row belongs to."""

import numpy as np

from octavo.analysis.chunk import Chunk


def test_rows_know_their_document() -> None:
    chunk = Chunk(
        domain="x",
        document_S=np.array([7, 8, 9], np.uint32),
        start_S1=np.array([0, 2, 2, 5]),
        position_T=np.array([0, 1, 0, 1, 2], np.uint32),
        phase_T=np.zeros(5, np.uint8),
        flag_T=np.zeros(5, np.uint16),
        expert_LTK=np.zeros((1, 5, 2), np.uint8),
        code_LT=None,
    )
    assert chunk.num_tokens == 5
    assert chunk.place_T.tolist() == [0, 0, 2, 2, 2]
