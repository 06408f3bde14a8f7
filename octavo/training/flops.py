"""The arithmetic of training, counted: the operations of a token, and the share of a GPU's peak that they reach.

A product of a row with a matrix of P entries is 2P operations forward and 4P backward. A token that sees c positions
adds 4·Q·H·c forward (its scores and its mix of values) and twice that backward (PaLM, arXiv 2204.02311, appendix B,
with the causal mask counted as it is). A sparse layer counts K experts. Norms, the embedding's look-up and the
optimizer are left out.
"""

import torch

from octavo.config import ModelConfig

# Dense bf16 operations a second of the matrix units, from the vendor's data sheets.
_PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "B200": 2250e12, "L40S": 362e12}


def train_flops(config: ModelConfig, *, num_tokens: int, num_seen: int) -> float:
    """Operations of a forward and backward over ``num_tokens`` that see ``num_seen`` positions among them."""
    attention = config.dim * config.head_dim * 2 * (config.num_heads + config.num_kv_heads)
    feed_forward = 3 * config.dim * config.hidden_dim * max(1, config.num_experts_per_tok)
    router = config.dim * config.num_experts
    matrices = config.num_layers * (attention + feed_forward + router) + config.dim * config.vocab_size
    seen = config.num_layers * 4 * config.num_heads * config.head_dim * num_seen
    return 6.0 * matrices * num_tokens + 3.0 * seen


def peak_flops(device: torch.device) -> float | None:
    """The device's peak in bf16, operations a second; None for a CPU or a GPU that is not in the table."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for key, peak in _PEAK.items() if key in name), None)
