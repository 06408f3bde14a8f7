"""Fields of foreign settings files that need no reading: those that never change the arithmetic, or must not."""

_NO_BIAS = "the linear layers of this model have no bias"
_NO_CAP = "logits are not capped or scaled"
_ONE_ROUTER = "the router is a softmax over the chosen experts, nothing else"
_DENSE_TOKENS = "only the decoder of one text model is run"

# name -> (the values under which it changes nothing, why no other can be honoured); absent and null are fine too.
NEUTRAL_CONFIG: dict[str, tuple[tuple[object, ...], str]] = {
    "hidden_act": (("silu", "swish"), "the feed-forward is SwiGLU"),
    "hidden_activation": (("silu", "swish"), "the feed-forward is SwiGLU"),
    "attention_bias": ((False,), _NO_BIAS),
    "attention_out_bias": ((False,), _NO_BIAS),
    "mlp_bias": ((False,), _NO_BIAS),
    "qkv_bias": ((False,), _NO_BIAS),
    "use_bias": ((False,), _NO_BIAS),
    "bias": ((False,), _NO_BIAS),
    "quantization_config": ((), "quantised weights are not read"),
    "compression_config": ((), "quantised weights are not read"),
    "partial_rotary_factor": ((1, 1.0), "every channel of a head is turned"),
    "per_layer_config": (({},), "all layers have one shape"),
    "pretraining_tp": ((1,), "projections are not split"),
    "attn_logit_softcapping": ((), _NO_CAP),
    "final_logit_softcapping": ((), _NO_CAP),
    "logit_scale": ((1, 1.0), _NO_CAP),
    "qk_norm": ((False,), "queries and keys are not normalised"),
    "use_qk_norm": ((False,), "queries and keys are not normalised"),
    "norm_topk_prob": ((True,), _ONE_ROUTER),
    "scoring_func": (("softmax",), _ONE_ROUTER),
    "routed_scaling_factor": ((1, 1.0), _ONE_ROUTER),
    "n_group": ((1,), _ONE_ROUTER),
    "topk_group": ((1,), _ONE_ROUTER),
    "n_shared_experts": ((0,), "there are no shared experts"),
    "num_shared_experts": ((0,), "there are no shared experts"),
    "shared_expert_intermediate_size": ((0,), "there are no shared experts"),
    "decoder_sparse_step": ((1,), "every layer is sparse or none is"),
    "first_k_dense_replace": ((0,), "every layer is sparse or none is"),
    "mlp_only_layers": (([],), "every layer is sparse or none is"),
    "is_encoder_decoder": ((False,), _DENSE_TOKENS),
    "add_cross_attention": ((False,), _DENSE_TOKENS),
    "vision_config": ((), _DENSE_TOKENS),
    "text_config": ((), _DENSE_TOKENS),
    "audio_config": ((), _DENSE_TOKENS),
}

# Never read: names, versions, training, classification heads, and generation settings that old folders keep here.
INERT_CONFIG = frozenset(
    """
    _attn_implementation _attn_implementation_autoset _attn_implementation_internal _commit_hash
    _experts_implementation _experts_implementation_internal _flash_attn_2_enabled _name_or_path
    assistant_confidence_threshold assistant_lookbehind attention_dropout attn_implementation auto_map
    axolotl_config bad_words_ids begin_suppress_tokens chunk_size_feed_forward classifier_dropout
    cross_attention_hidden_size custom_pipelines decoder_start_token_id diversity_penalty do_sample early_stopping
    embd_pdrop encoder_no_repeat_ngram_size encoder_repetition_penalty epsilon_cutoff eta_cutoff
    experts_implementation exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id
    gradient_checkpointing hidden_dropout id2label initializer_range is_decoder label2id length_penalty license
    max_length max_new_tokens min_length min_new_tokens min_p model_name name_or_path no_repeat_ngram_size
    num_assistant_tokens num_assistant_tokens_schedule num_beam_groups num_beams num_labels num_return_sequences
    original_max_position_embeddings output_attentions output_hidden_states output_router_logits output_scores
    pad_token_id prefix problem_type pruned_heads remove_invalid_values repetition_penalty resid_pdrop return_dict
    return_dict_in_generate router_aux_loss_coef router_jitter_noise sep_token_id suppress_tokens target_lookbehind
    task_specific_params temperature tf_legacy_loss tie_encoder_decoder tie_last_hidden_states tokenizer_class top_k
    top_p torchscript transformers_version typical_p unsloth_fixed unsloth_version use_bfloat16 use_cache
    use_flash_attention use_flash_attn use_return_dict
    """.split()  # noqa: SIM905
)

NEUTRAL_PARAMS: dict[str, tuple[tuple[object, ...], str]] = {
    "model_type": (("transformer", "mixtral", "mistral"), "other architectures are not run"),
    "activation": (("silu", "swish"), "the feed-forward is SwiGLU"),
    "use_biases": ((False,), _NO_BIAS),
    "causal": ((True,), "attention is causal"),
    "lora": ((), "adapters are not read"),
    "quantization": (({},), "quantised weights are not read"),
    "yarn": (({},), "rotary positions are not scaled"),
    "rope_scaling": (({},), "rotary positions are not scaled"),
    "llama_4_scaling": (({},), "queries are not scaled by position"),
    "use_scaled_rope": ((False,), "rotary positions are not scaled"),
    "ada_rms_norm_t_cond": ((False,), "norms have a weight and nothing else"),
    "vision_encoder": ((), _DENSE_TOKENS),
    "multimodal": ((), _DENSE_TOKENS),
    "q_lora_rank": ((), "attention has one projection for each of q, k and v"),
    "kv_lora_rank": ((), "attention has one projection for each of q, k and v"),
    "qk_nope_head_dim": ((), "attention has one projection for each of q, k and v"),
}

NEUTRAL_MOE: dict[str, tuple[tuple[object, ...], str]] = {
    "num_shared_experts": ((0,), "there are no shared experts"),
    "first_k_dense_replace": ((0,), "every layer is sparse or none is"),
    "route_every_n": ((1,), "every layer is sparse or none is"),
    "routed_scale": ((1, 1.0), _ONE_ROUTER),
    "num_expert_groups": ((1,), _ONE_ROUTER),
    "num_expert_groups_per_tok": ((1,), _ONE_ROUTER),
    "use_load_balancing_bias": ((False,), _ONE_ROUTER),
}

INERT_PARAMS = frozenset("max_batch_size multiple_of name version _name_or_path".split())  # noqa: SIM905
