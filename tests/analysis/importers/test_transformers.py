"""transformers' router logits become the trace that our own model makes of the same weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from octavo.analysis.chunk import Flag
from octavo.analysis.importers.recording import Marks
from octavo.analysis.importers.shape import RouterShape
from octavo.analysis.importers.transformers import from_router_logits, read_file
from octavo.errors import TraceError
from tests.parity.twins import CONFIGS, is_clear, make_twins, whole

SHAPE = RouterShape(num_experts=8, k=2, layers=(0, 1, 2))
IDS = torch.randint(0, 257, (2, 40), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("family", ["mixtral", "top 4 of 16"])
def test_their_logits_become_the_trace_that_our_model_makes_of_the_same_weights(family: str) -> None:
    config = CONFIGS[family]
    twins = make_twins(config)
    with torch.no_grad():
        theirs = twins.theirs(IDS, output_router_logits=True).router_logits
        ours = [twins.ours(whole(each)).routings for each in IDS]
    shape = RouterShape(num_experts=config.num_experts, k=config.num_experts_per_tok, layers=(0, 1, 2))
    recording = from_router_logits(theirs, IDS, shape, domain="random")
    assert recording.rank_ordered and recording.manifest().has_logits and recording.manifest().has_weights
    assert [document.name for document in recording.documents] == ["batch/0", "batch/1"]
    for document, routings, token_T in zip(recording.documents, ours, IDS, strict=True):
        assert document.token_T is not None and document.weight_TLK is not None and document.logits_TLE is not None
        assert document.token_T.tolist() == token_T.tolist()
        for layer, routing in enumerate(routings):
            clear_T = is_clear(routing).numpy()
            assert clear_T.mean() > 0.9
            assert np.array_equal(document.expert_TLK[clear_T, layer], routing.expert_TK.numpy()[clear_T])
            torch.testing.assert_close(torch.tensor(document.weight_TLK[:, layer]), routing.weight_TK)
            torch.testing.assert_close(torch.tensor(document.logits_TLE[:, layer]), routing.logits_TE.float())


def test_padding_is_no_part_of_a_document() -> None:
    logits = torch.randn(3, 80, 8, generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(IDS)
    mask[0, :15] = 0  # on the left
    mask[1, 30:] = 0  # on the right
    documents = from_router_logits(list(logits), IDS, SHAPE, attention_mask=mask, domain="d").documents
    assert [document.num_tokens for document in documents] == [25, 30]
    assert np.array_equal(documents[0].token_T, IDS[0, 15:])
    assert documents[1].logits_TLE is not None
    assert np.array_equal(documents[1].logits_TLE[:, 2], logits[2, 40:70])


def test_equal_logits_are_flagged_and_the_lower_expert_comes_first() -> None:
    row = torch.tensor([[0.0, 2.0, 1.0, 2.0, 0, 0, 0, 0], [3.0, 2.0, 1.0, 1.0, 0, 0, 0, 0], [3, 1, 1, 0, 0, 0, 0, 0]])
    (document,) = from_router_logits([row] * 3, [[5, 6, 7]], SHAPE, domain="d").documents
    assert document.expert_TLK[:, 0].tolist() == [[1, 3], [0, 1], [0, 1]]
    assert document.flag_T is not None
    assert ((document.flag_T & Flag.TIE) > 0).tolist() == [True, False, True]


def test_probabilities_are_refused_by_the_name_of_the_releases() -> None:
    logits = torch.randn(3, 80, 8, generator=torch.Generator().manual_seed(1))
    for wrong in (logits.softmax(-1), logits.softmax(-1).bfloat16()):
        with pytest.raises(TraceError, match=r"transformers 5\.0 to 5\.5 .*#45120.*#45131.*5\.6 or later"):
            from_router_logits(list(wrong), IDS, SHAPE, domain="d")
    # One layer of them is enough, padding or not.
    mixed = [logits[0], logits[1].softmax(-1), logits[2]]
    mixed[1][:40] = 7.0
    mask = torch.ones_like(IDS)
    mask[0] = 0
    with pytest.raises(TraceError, match="probabilities"):
        from_router_logits(mixed, IDS, SHAPE, attention_mask=mask, domain="d")


def test_logits_that_do_not_fit_are_refused() -> None:
    logits = list(torch.randn(3, 80, 8, generator=torch.Generator().manual_seed(1)))
    with pytest.raises(TraceError, match="has 2 layers, the model 3 MoE layers"):
        from_router_logits(logits[:2], IDS, SHAPE, domain="d")
    with pytest.raises(TraceError, match=r"layer 2 has the shape \[79, 8\]: want \[80, 8\]"):
        from_router_logits([*logits[:2], logits[2][:79]], IDS, SHAPE, domain="d")
    with pytest.raises(TraceError, match="not finite"):
        from_router_logits([*logits[:2], logits[2] * torch.inf], IDS, SHAPE, domain="d")
    with pytest.raises(TraceError, match="input_ids: token id -100"):
        from_router_logits(logits, torch.where(IDS[0, 0] == IDS, -100, IDS), SHAPE, domain="d")
    with pytest.raises(TraceError, match="attention_mask has the shape"):
        from_router_logits(logits, IDS, SHAPE, attention_mask=torch.ones(2, 41), domain="d")
    with pytest.raises(TraceError, match="no token that is not padding"):
        from_router_logits(logits, IDS, SHAPE, attention_mask=torch.zeros(2, 40), domain="d")


def test_a_file_holds_the_same_as_the_tensors(tmp_path: Path) -> None:
    logits = torch.randn(3, 80, 8, generator=torch.Generator().manual_seed(1))
    wanted = from_router_logits(list(logits), IDS, SHAPE, domain="d").documents[1]
    np.savez(tmp_path / "run.npz", router_logits=logits.numpy(), input_ids=IDS.numpy())
    by_layer = {f"router_logits.{layer}": logits[layer].contiguous() for layer in range(3)}
    save_file({**by_layer, "input_ids": IDS}, tmp_path / "run.safetensors")
    for name in ("run.npz", "run.safetensors"):
        recording = read_file(
            tmp_path / name, SHAPE, marks=Marks(bos=int(IDS[1, 0]), special=frozenset({int(IDS[1, 0])}))
        )
        document = recording.documents[1]
        assert (document.domain, document.name) == ("run", f"{name}/1")
        assert np.array_equal(document.expert_TLK, wanted.expert_TLK)
        assert document.flag_T is not None and document.flag_T[0] & Flag.BOS
    np.savez(tmp_path / "bare.npz", router_logits=logits.numpy())
    with pytest.raises(TraceError, match="has no array 'input_ids', only router_logits"):
        read_file(tmp_path / "bare.npz", SHAPE)
    save_file({**by_layer, "router_logits.3": logits[0].clone(), "input_ids": IDS}, tmp_path / "deep.safetensors")
    with pytest.raises(TraceError, match="logits of more layers than the model's 3"):
        read_file(tmp_path / "deep.safetensors", SHAPE)
