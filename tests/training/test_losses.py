"""The losses are their formulas, and the balance loss knows a collapsed router from an even one."""

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from octavo.routing import Routing
from octavo.training import losses
from octavo.training.losses import balance_loss, linear_cross_entropy, load, token_losses, z_loss

E, K, L = 8, 2, 4


def routing(expert_TK):
    """A router that is sure: its whole probability lies evenly on the chosen."""
    expert_TK = torch.as_tensor(expert_TK)
    logits_TE = torch.full((expert_TK.shape[0], E), -30.0).scatter(1, expert_TK, 0.0)
    return Routing(logits_TE, expert_TK, torch.full(expert_TK.shape, 1 / K))


def balanced():
    """In every layer token t reads experts t and t + 1: each is read equally often."""
    return [routing([[t % E, (t + 1) % E] for t in range(4 * E)]) for _ in range(L)]


def collapsed():
    """In layer l every token reads the pair 2l, 2l + 1: over the layers all experts are read equally often."""
    return [routing([[2 * layer, 2 * layer + 1]] * (4 * E)) for layer in range(L)]


def everything(r):
    return torch.ones(r.logits_TE.shape[0], dtype=torch.bool)


def pooled(routings):
    """The common form: shares and probabilities over all layers at once, f counting each of the K slots."""
    logits_TE = torch.cat([r.logits_TE for r in routings])
    chosen_TKE = functional.one_hot(torch.cat([r.expert_TK for r in routings]), E).float()
    return E * (chosen_TKE.mean(dim=0) * torch.softmax(logits_TE, dim=-1).mean(dim=0)).sum()


def test_the_balance_loss_is_1_at_balance_and_e_over_k_at_collapse():
    assert_close(torch.stack([balance_loss(r, everything(r)) for r in balanced()]), torch.ones(L))
    assert_close(torch.stack([balance_loss(r, everything(r)) for r in collapsed()]), torch.full((L,), E / K))


def test_the_pooled_form_cannot_tell_them_apart():
    assert_close(pooled(balanced()), torch.tensor(2.0))
    assert_close(pooled(collapsed()), torch.tensor(2.0))


def test_the_balance_loss_pushes_the_logits_of_busy_experts_down():
    logits_TE = torch.randn(64, E)
    logits_TE[:, 3] += 2
    logits_TE.requires_grad_()
    chosen = logits_TE.topk(K)
    balance_loss(Routing(logits_TE, chosen.indices, chosen.values), torch.ones(64, dtype=torch.bool)).backward()
    assert logits_TE.grad is not None
    assert int(logits_TE.grad.sum(dim=0).argmax()) == 3


def test_padding_counts_for_nothing():
    generator = torch.Generator().manual_seed(0)
    logits_TE = torch.randn(20, E, generator=generator)
    chosen = logits_TE.topk(K)
    whole = Routing(logits_TE, chosen.indices, chosen.values)
    kept_T = torch.arange(20) < 13
    part = Routing(logits_TE[:13], chosen.indices[:13], chosen.values[:13])
    for loss in (balance_loss, z_loss, load):
        assert_close(loss(whole, kept_T), loss(part, everything(part)))


def test_the_z_loss_is_the_mean_square_of_the_logsumexp():
    r = Routing(torch.zeros(5, E), torch.zeros(5, K, dtype=torch.int64), torch.ones(5, K))
    assert_close(z_loss(r, everything(r)), torch.tensor(float(E)).log().square())


def test_load_counts_assignments():
    assert load(routing([[0, 1], [1, 7]]), torch.tensor([True, True])).tolist() == [1, 2, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("rows", [3, 7, 100])
def test_cross_entropy_and_its_gradients_are_those_of_torch(monkeypatch, rows):
    monkeypatch.setattr(losses, "ROWS_AT_ONCE", rows)
    x_TD = torch.randn(17, 6, requires_grad=True)
    weight_VD = torch.randn(23, 6, requires_grad=True)
    target_T = torch.randint(0, 23, (17,))
    target_T[[2, 9, 16]] = -1
    want = functional.cross_entropy(x_TD @ weight_VD.T, target_T, ignore_index=-1)
    ours = linear_cross_entropy(x_TD, weight_VD, target_T)
    assert_close(ours, want)
    for x, y in zip(
        torch.autograd.grad(3 * ours, (x_TD, weight_VD)), torch.autograd.grad(3 * want, (x_TD, weight_VD)), strict=True
    ):
        assert_close(x, y)
    each_T = token_losses(x_TD, weight_VD, target_T)
    assert_close(each_T.sum() / 14, want.detach())
    assert each_T[[2, 9, 16]].tolist() == [0, 0, 0]


def test_a_batch_of_padding_alone_has_no_loss_and_no_gradient():
    x_TD = torch.randn(4, 6, requires_grad=True)
    loss = linear_cross_entropy(x_TD, torch.randn(5, 6), torch.full((4,), -1))
    (grad_TD,) = torch.autograd.grad(loss, x_TD)
    assert (loss.item(), grad_TD.abs().max().item()) == (0, 0)
