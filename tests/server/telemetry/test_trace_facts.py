"""A trace of live traffic says which model it was, how it ran, and whether text can be read."""

from dataclasses import replace
from pathlib import Path

import pytest

from octavo import LLM
from octavo.errors import TraceError
from octavo.server.backend.service import ServiceFacts
from octavo.server.settings import ModelSettings, ServerSettings, TraceSettings
from octavo.server.telemetry.trace_facts import live_manifest, spelling_of
from tests.engine.serving import tiny


def facts_of(llm: LLM) -> ServiceFacts:
    return ServiceFacts(
        model_name="octavo-mini", config=llm.config, dtype="float32", device="cpu", max_model_len=llm.max_model_len,
        max_num_seqs=8, max_num_batched_tokens=512, max_logprobs=5, page_size=16, num_pages=99,
        eos_token_ids=frozenset({2}), load_seconds=0.1,
    )  # fmt: skip


def test_the_manifest_names_the_model_by_its_hash(mini: LLM) -> None:
    manifest = live_manifest(facts_of(mini), ServerSettings(), mini.tokenizer)
    assert (manifest.model, manifest.source) == ("octavo-mini", "octavo serve")
    assert manifest.model_hash is not None
    assert manifest.tokenizer_hash is not None
    assert len(manifest.model_hash) == len(manifest.tokenizer_hash) == 64
    assert manifest.layers == tuple(range(mini.config.num_layers))
    assert (manifest.has_tokens, manifest.has_weights, manifest.has_logits) == (False, True, False)
    assert manifest.settings["sample"] == 1.0
    assert manifest.settings["device"] == "cpu"


def test_weights_that_are_made_up_have_no_hash(mini: LLM) -> None:
    settings = ServerSettings(model=ModelSettings(name="mixtral-8x7b", load_format="dummy"))
    assert live_manifest(facts_of(mini), settings, None).model_hash is None
    lost = ServerSettings(model=ModelSettings(name=str(Path("no") / "where")))
    assert live_manifest(facts_of(mini), lost, None).model_hash is None


def test_token_ids_are_kept_only_where_it_is_asked_for(mini: LLM) -> None:
    asked = ServerSettings(trace=TraceSettings(tokens=True))
    assert live_manifest(facts_of(mini), asked, mini.tokenizer).has_tokens
    assert mini.tokenizer is not None
    assert len(spelling_of(asked, mini.tokenizer).pieces) == mini.tokenizer.vocab_size
    plain = spelling_of(ServerSettings(), mini.tokenizer)
    assert (plain.pieces, plain.special_ids, plain.bos_id) == ((), mini.tokenizer.special_ids, mini.tokenizer.bos_id)
    assert spelling_of(asked, None).special_ids == frozenset()


def test_a_dense_model_has_nothing_to_trace(mini: LLM) -> None:
    dense = replace(facts_of(mini), config=tiny(num_experts=0, num_experts_per_tok=0, hidden_dim=45).config)
    with pytest.raises(TraceError, match=r"octavo-mini has no experts.*leave --trace-dir out"):
        live_manifest(dense, ServerSettings(), None)
