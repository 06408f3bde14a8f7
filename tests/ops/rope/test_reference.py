"""RoPE against complex multiplication, and the property it exists for."""

import pytest
import torch

from octavo.ops.rope.reference import rotate, rotation


@pytest.mark.parametrize("theta", [1e4, 1e6])
def test_it_multiplies_each_pair_by_a_complex_number_of_length_one(theta: float) -> None:
    x_TNH = torch.randn(6, 3, 16)
    position_T = torch.tensor([0, 1, 2, 50, 1000, 3])
    turned = rotate(x_TNH, *rotation(position_T, 16, theta))
    angle_Th = position_T.double()[:, None] * theta ** (-torch.arange(0, 16, 2).double() / 16)
    wanted = torch.complex(x_TNH[..., :8].double(), x_TNH[..., 8:].double()) * torch.exp(1j * angle_Th)[:, None]
    torch.testing.assert_close(turned, torch.cat((wanted.real, wanted.imag), dim=-1).float(), atol=1e-4, rtol=1e-4)


def test_a_product_of_query_and_key_depends_on_their_distance_alone() -> None:
    query_1NH, key_1NH = torch.randn(2, 1, 1, 32, dtype=torch.float64).float()
    products = []
    for query_position, key_position in ((7, 3), (107, 103)):
        query = rotate(query_1NH, *rotation(torch.tensor([query_position]), 32, 1e4))
        key = rotate(key_1NH, *rotation(torch.tensor([key_position]), 32, 1e4))
        products.append((query * key).sum())
    torch.testing.assert_close(products[0], products[1], atol=1e-4, rtol=1e-4)


def test_the_type_of_the_heads_is_kept() -> None:
    assert rotate(torch.randn(1, 1, 4).bfloat16(), *rotation(torch.tensor([5]), 4, 1e4)).dtype == torch.bfloat16
