"""What is measured is found before it is in memory, and refused in one line where it cannot be."""

import pytest
import torch

from octavo.bench.subject import Plea, find_subject, make_model, widths_of
from octavo.config import mini
from octavo.engine.config import EngineConfig
from octavo.errors import ConfigError, OverCapacity
from octavo.ops import best

ONE_PAGE = EngineConfig(num_pages=2)


def test_random_weights_are_those_of_their_seed() -> None:
    plea = Plea(shape="mini", random_weights=True, device="cpu")
    subject = find_subject(plea)
    assert (subject.name, subject.weights, subject.config) == ("mini", "fp32", mini())
    assert subject.ops is best("cpu")
    one, same = (make_model(subject, ONE_PAGE).tok_embeddings.weight for _ in range(2))
    assert torch.equal(one, same)
    assert float(one.detach().std()) == pytest.approx(0.02, rel=0.01)


def test_without_them_the_weights_are_those_of_the_folder() -> None:
    subject = find_subject(Plea(shape="octavo-mini", random_weights=False, device="cpu"))
    model = make_model(subject, ONE_PAGE)
    assert float(model.norm.weight.detach().std()) > 0
    # A CPU keeps what was stored in bfloat16 in two bytes where it can.
    assert widths_of(model, subject).weights in (2, 4)
    assert widths_of(model, subject).cache == 4


def test_a_shape_alone_has_no_weights() -> None:
    with pytest.raises(ConfigError, match="mixtral-8x7b is a shape without weights here: add --random-weights"):
        find_subject(Plea(shape="mixtral-8x7b", random_weights=False, device="cpu"))


def test_what_has_no_room_is_not_made() -> None:
    subject = find_subject(Plea(shape="mixtral-8x22b", random_weights=True, device="cpu", dtype="bfloat16"))
    with pytest.raises(OverCapacity, match="weights 281 GB"):
        make_model(subject, ONE_PAGE)
