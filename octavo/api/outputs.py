"""What a caller gets back: results shaped and named as vLLM's, and beside the text the experts that read it.

Arrays of routing have one row for each token, [tokens, L, K] in rank order, T tokens of an output and U of a prompt.
Row i is how the model read token i; the last token of an output was chosen but not read, so its experts are -1, its
weights and logits 0.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int16


@dataclass(frozen=True, slots=True)
class Logprob:
    """One token's logprob in the model's own distribution, its rank there from 1 on, and the token as text."""

    logprob: float
    rank: int
    decoded_token: str | None


# At one position: the token that stands there, and the best ones when they were asked for.
TokenLogprobs = dict[int, Logprob]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionOutput:
    """One output of a request.

    ``finish_reason`` is "stop", "length", "abort" or "error" (the model's logits were not finite); ``stop_reason`` the
    stop string or stop token id that ended it, None at the end-of-text token. ``cumulative_logprob`` is the sum over
    its tokens, None unless logprobs were asked for.
    """

    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None
    logprobs: list[TokenLogprobs] | None
    finish_reason: str | None
    stop_reason: int | str | None
    routed_experts: Int16[np.ndarray, "T L K"] | None = None
    routed_weights: Float32[np.ndarray, "T L K"] | None = None
    router_logits: Float32[np.ndarray, "T L E"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutput:
    """One prompt and its outputs; ``prompt`` is None for one of ids, and so is the first of ``prompt_logprobs``."""

    request_id: str
    prompt: str | None
    prompt_token_ids: list[int]
    prompt_logprobs: list[TokenLogprobs | None] | None
    outputs: list[CompletionOutput]
    finished: bool
    prompt_routed_experts: Int16[np.ndarray, "U L K"] | None = None
    prompt_routed_weights: Float32[np.ndarray, "U L K"] | None = None
    prompt_router_logits: Float32[np.ndarray, "U L E"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionDelta:
    """What is new of one output of a streamed request; deltas joined are the output.

    ``text`` holds whole characters that no stop string can take back. Routing rows are of output tokens, in order: each
    comes one delta after its token, and the last delta brings the row of the last. Rows and logprobs of the prompt come
    as it is read.
    """

    request_id: str
    index: int
    text: str
    token_ids: list[int]
    logprobs: list[TokenLogprobs]
    finish_reason: str | None
    stop_reason: int | str | None
    prompt_logprobs: list[TokenLogprobs | None]
    routed_experts: Int16[np.ndarray, "T L K"] | None = None
    routed_weights: Float32[np.ndarray, "T L K"] | None = None
    router_logits: Float32[np.ndarray, "T L E"] | None = None
    prompt_routed_experts: Int16[np.ndarray, "U L K"] | None = None
    prompt_routed_weights: Float32[np.ndarray, "U L K"] | None = None
    prompt_router_logits: Float32[np.ndarray, "U L E"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOutput:
    """The logprob of each token of a prompt given those before it, None for the first; a real routing row for each."""

    prompt: str | None
    token_ids: list[int]
    logprobs: list[float | None]
    routed_experts: Int16[np.ndarray, "T L K"] | None = None
    routed_weights: Float32[np.ndarray, "T L K"] | None = None
    router_logits: Float32[np.ndarray, "T L E"] | None = None
