"""A batch is a value: it can be read and not changed."""

import pytest
import torch

from octavo.batch import Batch, Pages


def test_a_batch_and_its_pages_cannot_be_changed() -> None:
    one = torch.tensor([1])
    pages = Pages(one, one[None], one, 1)
    batch = Batch(one, one, torch.tensor([0, 1], dtype=torch.int32), 1, None, pages)
    for value, name in ((batch, "max_query"), (pages, "max_context")):
        with pytest.raises(AttributeError):
            setattr(value, name, 2)
