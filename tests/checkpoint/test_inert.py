"""Lists of foreign fields: no name is in two of them, and none that a published folder has is missing."""

from octavo.checkpoint.inert import INERT_CONFIG, INERT_PARAMS, NEUTRAL_CONFIG, NEUTRAL_PARAMS


def test_a_field_is_inert_or_must_be_neutral_but_not_both() -> None:
    assert not INERT_CONFIG & NEUTRAL_CONFIG.keys()
    assert not INERT_PARAMS & NEUTRAL_PARAMS.keys()


def test_everything_that_transformers_writes_is_known() -> None:
    import torch
    from transformers import GenerationConfig, MistralConfig, MixtralConfig

    from octavo.checkpoint.hugging_face import config_json
    from octavo.config import mini

    read = config_json(mini(), torch.float32, bos_token_id=1, eos_token_ids=(2,)).keys()
    known = {*INERT_CONFIG, *NEUTRAL_CONFIG, *read}
    for config in (MixtralConfig(), MistralConfig()):
        assert set(config.to_dict()) - known == set()
    assert set(GenerationConfig._get_default_generation_params()) - known == set()
