"""Each token of each document is scored once, given what stands before it, and bytes are those of the text."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from octavo.batch import Batch
from octavo.model import Transformer
from octavo.training.corpus import documents, shards
from octavo.training.evaluate import DomainScore, evaluate
from octavo.training.tokens import Encoder, tokenise


@pytest.fixture
def text(corpus, tokenizer, tmp_path):
    return tokenise(shards(corpus, "test"), tokenizer, tmp_path / "tokens")


def model_of(config):
    return Transformer(config.model).init_weights(seed=3, std=0.3)


def plainly(model, ids, context, stride):
    """Nats of each scored token of one document, window by window, one forward each."""
    nats = []
    last = len(ids) - 2
    for begin in range(0, last, stride):
        window = ids[begin : begin + context + 1][: last - begin + 1]
        token_T = torch.tensor(window[:-1])
        start = torch.tensor([0, len(token_T)], dtype=torch.int32)
        logits = model(Batch(token_T, torch.arange(len(token_T)), start, context)).logits_RV
        each = functional.cross_entropy(logits, torch.tensor(window[1:]), reduction="none")
        nats += each.tolist()[len(nats) - begin :]
        if begin + context >= last:
            break
    return nats


@pytest.mark.parametrize(("context", "stride"), [(64, 32), (64, 64), (32, 5), (2000, 1000)])
def test_windows_score_as_a_plain_loop_does(tiny, text, context, stride):
    config = tiny().model
    model = Transformer(replace(config, context_length=2000)).init_weights(seed=3, std=0.3)
    found = evaluate(model, text, context=context, stride=stride, forward_tokens=200)
    for shard, score in zip(text, found.domains, strict=True):
        starts = shard.start_D1.tolist()
        documents_ = [shard.id_N[a:b].astype("int64").tolist() for a, b in pairwise(starts)]
        with torch.no_grad():
            nats = [x for ids in documents_ for x in plainly(model, ids, context, stride)]
        assert score.tokens == len(nats) == sum(len(ids) - 2 for ids in documents_)
        assert score.nats == pytest.approx(sum(nats), rel=1e-5)


def test_bytes_are_those_of_the_text(tiny, text, corpus, tokenizer):
    found = evaluate(model_of(tiny()), text, context=64)
    for shard, score in zip(shards(corpus, "test"), found.domains, strict=True):
        texts = [document.text for document in documents(shard.path)]
        assert score.domain == shard.domain
        assert score.bytes == sum(len(x.encode()) for x in texts)
        assert score.tokens == sum(map(len, Encoder.load(tokenizer).encode(texts)))


def test_a_document_of_one_token_needs_no_window_and_one_of_two_is_read():
    score = DomainScore("a", nats=math.log(2) * 24, tokens=6, bytes=12)
    assert score.bits_per_byte == pytest.approx(2.0)
    assert score.loss == pytest.approx(4 * math.log(2))


def test_the_mean_counts_each_domain_the_same(tiny, text):
    found = evaluate(model_of(tiny()), text, context=64)
    assert found.bits_per_byte == pytest.approx(sum(s.bits_per_byte for s in found.domains) / 2)


def test_a_part_of_each_domain_is_whole_documents(tiny, text):
    whole = evaluate(model_of(tiny()), text, context=64)
    part = evaluate(model_of(tiny()), text, context=64, domain_tokens=1)
    for shard, some, every in zip(text, part.domains, whole.domains, strict=True):
        assert some.tokens == int(shard.start_D1[1]) - 2 < every.tokens
        assert some.bytes == int(shard.byte_D[0])


def test_the_load_counts_every_token_that_was_read(tiny, text):
    found = evaluate(model_of(tiny()), text, context=2000)
    assert found.load_LE is not None
    assert found.load_LE.sum(dim=1).tolist() == [2 * sum(score.tokens for score in found.domains)] * 2
    assert evaluate(model_of(tiny(dense=True)), text, context=64).load_LE is None


def test_the_model_is_left_as_it_was(tiny, text):
    model = model_of(tiny())
    model.train()
    evaluate(model, text, context=64)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
