"""Metric names: everything that ``/metrics`` says, each with its kind, its unit, its meaning and its buckets.

    PREFIX:NAME{model_name, engine, ...}        PREFIX is octavo, or vllm where boards made for that are to find it

Names that vLLM has too mean the same here, and their buckets hold all of vLLM's bounds, with finer ones below for
models that answer faster. Counters appear with ``_total`` behind their name, histograms with ``_bucket``, ``_sum`` and
``_count``.
"""

from dataclasses import dataclass
from typing import Literal

from octavo.server.telemetry.distribution import (
    BETWEEN_TOKENS,
    FIRST_TOKEN,
    OUTPUTS,
    REQUEST,
    STEP,
    STEP_TOKENS,
    TOKENS,
)

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric; ``labels`` come after ``model_name`` and ``engine``; ``ours`` says that vLLM has no such name."""

    name: str
    kind: Kind
    unit: str
    says: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    ours: bool = False

    @property
    def shown(self) -> str:
        """The name as it stands in a query, a histogram's without its suffix."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


RUNNING = Metric(
    name="num_requests_running", kind="gauge", unit="sequences", says="Sequences that the engine's batches hold."
)
WAITING = Metric(name="num_requests_waiting", kind="gauge", unit="sequences", says="Sequences in the engine's queue.")
CACHE_USAGE = Metric(
    name="kv_cache_usage_perc", kind="gauge", unit="0 to 1", says="Share of the cache's pages that sequences hold."
)
CACHE_CONFIG = Metric(
    name="cache_config_info",
    kind="gauge",
    unit="always 1",
    says="The cache in its labels: positions of a page, pages, type of the numbers, most tokens of a request.",
    labels=("block_size", "num_gpu_blocks", "cache_dtype", "max_model_len"),
)
PROMPT_TOKENS = Metric(
    name="prompt_tokens", kind="counter", unit="tokens", says="Prompt tokens of requests that were read to their end."
)
GENERATION_TOKENS = Metric(
    name="generation_tokens",
    kind="counter",
    unit="tokens",
    says="Tokens of outputs, as usage.completion_tokens counts.",
)
FINISHED = Metric(
    name="request_success",
    kind="counter",
    unit="outputs",
    says="Outputs that ended, by how: stop, length, abort (nobody waits any more) or error. A request has n of them.",
    labels=("finished_reason",),
)
PREEMPTIONS = Metric(
    name="num_preemptions", kind="counter", unit="sequences", says="Sequences that gave back their pages for others."
)
PREFIX_QUERIES = Metric(
    name="prefix_cache_queries",
    kind="counter",
    unit="tokens",
    says="Tokens of sequences that were let in, looked up among what is remembered.",
)
PREFIX_HITS = Metric(
    name="prefix_cache_hits",
    kind="counter",
    unit="tokens",
    says="Those of them that were remembered, and so not read again.",
)
SELECTIONS = Metric(
    name="moe_expert_selection_counter",
    kind="counter",
    unit="assignments",
    says="How often each layer's router chose each expert: K times a token and layer.",
    labels=("layer", "expert"),
)
FIRST_TOKEN_SECONDS = Metric(
    name="time_to_first_token_seconds",
    kind="histogram",
    unit="seconds",
    says="From a request's handing over to the engine to the first token of any of its outputs.",
    bounds=FIRST_TOKEN,
)
BETWEEN_SECONDS = Metric(
    name="inter_token_latency_seconds",
    kind="histogram",
    unit="seconds",
    says="From one token of an output to the next.",
    bounds=BETWEEN_TOKENS,
)
OUTPUT_TOKEN_SECONDS = Metric(
    name="time_per_output_token_seconds",
    kind="histogram",
    unit="seconds",
    says="The same as inter_token_latency_seconds, under the name that older boards ask for.",
    bounds=BETWEEN_TOKENS,
)
MEAN_TOKEN_SECONDS = Metric(
    name="request_time_per_output_token_seconds",
    kind="histogram",
    unit="seconds",
    says="A request's mean time from token to token, of those with two or more.",
    bounds=BETWEEN_TOKENS,
)
REQUEST_SECONDS = Metric(
    name="e2e_request_latency_seconds",
    kind="histogram",
    unit="seconds",
    says="From a request's handing over to the engine to the end of its last output.",
    bounds=REQUEST,
)
QUEUE_SECONDS = Metric(
    name="request_queue_time_seconds",
    kind="histogram",
    unit="seconds",
    says="From a request's handing over to the engine to the first step that read some of it.",
    bounds=REQUEST,
)
INFERENCE_SECONDS = Metric(
    name="request_inference_time_seconds",
    kind="histogram",
    unit="seconds",
    says="From the first step that read some of a request to the end of its last output.",
    bounds=REQUEST,
)
PREFILL_SECONDS = Metric(
    name="request_prefill_time_seconds",
    kind="histogram",
    unit="seconds",
    says="From the first step that read some of a request to its first token.",
    bounds=REQUEST,
)
DECODE_SECONDS = Metric(
    name="request_decode_time_seconds",
    kind="histogram",
    unit="seconds",
    says="From a request's first token to the end of its last output.",
    bounds=REQUEST,
)
REQUEST_PROMPT = Metric(
    name="request_prompt_tokens",
    kind="histogram",
    unit="tokens",
    says="Prompt tokens of each request.",
    bounds=TOKENS,
)
REQUEST_GENERATION = Metric(
    name="request_generation_tokens",
    kind="histogram",
    unit="tokens",
    says="Tokens of each output.",
    bounds=TOKENS,
)
REQUEST_MOST = Metric(
    name="request_max_num_generation_tokens",
    kind="histogram",
    unit="tokens",
    says="Tokens of the longest output of each request.",
    bounds=TOKENS,
)
PARAMS_N = Metric(
    name="request_params_n", kind="histogram", unit="outputs", says="Outputs that requests asked for.", bounds=OUTPUTS
)
PARAMS_MAX_TOKENS = Metric(
    name="request_params_max_tokens",
    kind="histogram",
    unit="tokens",
    says="Most tokens of an output that requests allowed.",
    bounds=TOKENS,
)
ITERATION_TOKENS = Metric(
    name="iteration_tokens_total",
    kind="histogram",
    unit="tokens",
    says="Tokens that a step of the engine read.",
    bounds=STEP_TOKENS,
)
STEP_SECONDS = Metric(
    name="engine_step_seconds",
    kind="histogram",
    unit="seconds",
    says="How long a step of the engine took.",
    bounds=STEP,
    ours=True,
)
FAILED_STEPS = Metric(
    name="engine_failed_steps",
    kind="counter",
    unit="steps",
    says="Steps that raised; what they planned was planned anew.",
    ours=True,
)
LEAKED = Metric(
    name="kv_blocks_leaked",
    kind="gauge",
    unit="pages",
    says="Pages of the cache that are held though no request is open: 0, or we have a bug.",
    ours=True,
)
REJECTED = Metric(
    name="requests_rejected",
    kind="counter",
    unit="requests",
    says="Requests that were refused, by why; the names are those of the HTTP statuses.",
    labels=("reason",),
    ours=True,
)
ENTROPY = Metric(
    name="router_entropy",
    kind="gauge",
    unit="bits",
    says="Entropy of each layer's choice of experts in the last minute: log2 of their number when used alike.",
    labels=("layer",),
    ours=True,
)
LOAD_CV = Metric(
    name="expert_load_cv",
    kind="gauge",
    unit="ratio",
    says="Standard deviation of the experts' loads over their mean in the last minute: 0 when all are used alike.",
    labels=("layer",),
    ours=True,
)
MAX_VIOLATION = Metric(
    name="expert_load_max_violation",
    kind="gauge",
    unit="ratio",
    says="How far the busiest expert was above the mean load in the last minute, as a part of the mean.",
    labels=("layer",),
    ours=True,
)
TRACED = Metric(
    name="traced_documents",
    kind="counter",
    unit="outputs",
    says="Outputs that --trace-dir was to record, by what became of them: recorded or lost.",
    labels=("outcome",),
    ours=True,
)

METRICS = (
    RUNNING,
    WAITING,
    CACHE_USAGE,
    CACHE_CONFIG,
    PROMPT_TOKENS,
    GENERATION_TOKENS,
    FINISHED,
    PREEMPTIONS,
    PREFIX_QUERIES,
    PREFIX_HITS,
    SELECTIONS,
    FIRST_TOKEN_SECONDS,
    BETWEEN_SECONDS,
    OUTPUT_TOKEN_SECONDS,
    MEAN_TOKEN_SECONDS,
    REQUEST_SECONDS,
    QUEUE_SECONDS,
    INFERENCE_SECONDS,
    PREFILL_SECONDS,
    DECODE_SECONDS,
    REQUEST_PROMPT,
    REQUEST_GENERATION,
    REQUEST_MOST,
    PARAMS_N,
    PARAMS_MAX_TOKENS,
    ITERATION_TOKENS,
    STEP_SECONDS,
    FAILED_STEPS,
    LEAKED,
    REJECTED,
    ENTROPY,
    LOAD_CV,
    MAX_VIOLATION,
    TRACED,
)
