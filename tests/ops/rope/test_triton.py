"""The GPU's RoPE turns as the reference does, and stores keys and values in their slots and nowhere else."""

import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("triton")

from octavo.ops.rope.reference import rotate, rotation
from octavo.ops.rope.triton import rotate_and_write

Q, G, PAGES, PAGE = 6, 2, 3, 4
pytestmark = pytest.mark.usefixtures("poison")


@pytest.mark.parametrize("head_dim", [16, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_equals_the_reference(head_dim: int, dtype: torch.dtype, device: str) -> None:
    slot_T = torch.tensor([9, 2, 4], device=device)
    rope = rotation(torch.tensor([0, 7, 31], device=device), head_dim, 1e4)
    heads_TNH = torch.randn(3, Q + 2 * G, head_dim, device=device).to(dtype)
    key_PBGH, value_PBGH = torch.randn(2, PAGES, PAGE, G, head_dim, device=device).to(dtype)
    turned_TNH = rotate(heads_TNH[:, : Q + G], *rope)
    wanted_key, wanted_value = key_PBGH.clone(), value_PBGH.clone()
    wanted_key.flatten(0, 1)[slot_T] = turned_TNH[:, Q:]
    wanted_value.flatten(0, 1)[slot_T] = heads_TNH[:, Q + G :]
    assert_close(rotate_and_write(heads_TNH, rope, key_PBGH, value_PBGH, slot_T), turned_TNH[:, :Q])
    assert_close(key_PBGH, wanted_key)
    assert torch.equal(value_PBGH, wanted_value)


def test_no_token_and_heads_that_stand_apart(device: str) -> None:
    heads_TNH = torch.randn(3, Q + 2 * G, 16, device=device)
    cache = torch.zeros(2, PAGES, PAGE, G, 16, device=device).unbind()
    slot_T = torch.tensor([9, 2, 4], device=device)
    rope = rotation(slot_T, 16, 1e4)
    assert rotate_and_write(heads_TNH[:0], (rope[0][:0], rope[1][:0]), *cache, slot_T[:0]).shape == (0, Q, 16)
    with pytest.raises(ValueError, match="must be dense"):
        rotate_and_write(heads_TNH.transpose(1, 2).contiguous().transpose(1, 2), rope, *cache, slot_T)
