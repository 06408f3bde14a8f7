"""Results of an LLM as the recorder takes them: scores, finished requests, and the deltas of a stream."""

from collections.abc import Sequence

import numpy as np

from octavo.analysis.recorder import Recorder, Rows
from octavo.api.outputs import CompletionDelta, RequestOutput, ScoreOutput, TokenLogprobs
from octavo.errors import TraceError


def record_score(recorder: Recorder, score: ScoreOutput, *, domain: str, name: str, source: str = "") -> None:
    """Records a scored text. Raises TraceError where it was scored without routing."""
    if score.routed_experts is None:
        raise TraceError(f"{name} was scored without its routing: call score with routing=True")
    rows = Rows(
        expert_TLK=score.routed_experts,
        weight_TLK=score.routed_weights,
        logits_TLE=score.router_logits,
        logprob_T=np.array([np.nan if each is None else each for each in score.logprobs], np.float32),
    )
    recorder.record(rows, score.token_ids, domain=domain, name=name, source=source)


def record_request(recorder: Recorder, output: RequestOutput, *, domain: str, name: str, source: str = "") -> None:
    """Records a request: its prompt and each of its outputs after it as one document, ``NAME#0``, ``NAME#1``, ...

    The last token of an output has no row, since nobody has read it. Raises TraceError where there is no routing.
    """
    for completion in output.outputs:
        parts = (
            (output.prompt_routed_experts, output.prompt_routed_weights, output.prompt_router_logits),
            (completion.routed_experts, completion.routed_weights, completion.router_logits),
        )
        recorder.record(
            joined(parts, name),
            [*output.prompt_token_ids, *completion.token_ids],
            domain=domain,
            name=f"{name}#{completion.index}",
            source=source,
            num_prompt=len(output.prompt_token_ids),
        )


def record_deltas(
    recorder: Recorder,
    prompt_token_ids: Sequence[int],
    deltas: Sequence[CompletionDelta],
    *,
    domain: str,
    name: str,
    source: str = "",
) -> None:
    """Records a stream of one output from all of its deltas; raises TraceError where there is no routing."""
    prompt = [(d.prompt_routed_experts, d.prompt_routed_weights, d.prompt_router_logits) for d in deltas]
    written = [(d.routed_experts, d.routed_weights, d.router_logits) for d in deltas]
    tokens = [token for delta in deltas for token in delta.token_ids]
    recorder.record(
        joined([*prompt, *written], name),
        [*prompt_token_ids, *tokens],
        domain=domain,
        name=f"{name}#{deltas[0].index if deltas else 0}",
        source=source,
        num_prompt=len(prompt_token_ids),
    )


Part = tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]


def joined(parts: Sequence[Part], name: str) -> Rows:
    """Experts, weights and logits of consecutive pieces as one; raises TraceError where there are no experts."""
    experts = [part[0] for part in parts if part[0] is not None]
    weights = [part[1] for part in parts if part[1] is not None]
    logits = [part[2] for part in parts if part[2] is not None]
    if not experts:
        raise TraceError(f"{name} has no routing rows: ask for them with SamplingParams(routing=True)")
    return Rows(
        expert_TLK=np.concatenate(experts),
        weight_TLK=np.concatenate(weights) if weights else None,
        logits_TLE=np.concatenate(logits) if logits else None,
    )


def scored_rows(output: RequestOutput, *, predictions: bool) -> Rows:
    """The rows of a prompt that was read and not continued, with its logprobs where they were asked for."""
    assert output.prompt_routed_experts is not None, "read with routing"
    named = output.prompt_logprobs
    return Rows(
        expert_TLK=output.prompt_routed_experts,
        weight_TLK=output.prompt_routed_weights,
        logits_TLE=output.prompt_router_logits,
        logprob_T=None if named is None else own_logprobs(output.prompt_token_ids, named),
        prediction_T=None if named is None or not predictions else best_next(named, output.outputs[0].token_ids[0]),
    )


def own_logprobs(token_ids: Sequence[int], named: Sequence[TokenLogprobs | None]) -> np.ndarray:
    """Each token's own logprob, NaN for the first."""
    pairs = zip(token_ids, named, strict=True)
    return np.array([np.nan if each is None else each[token].logprob for token, each in pairs], np.float32)


def best_next(named: Sequence[TokenLogprobs | None], last: int) -> np.ndarray:
    """The likeliest next token after each position, of which ``last`` is the one after the prompt's end.

    Each entry must hold the best token of its position, of rank 1.
    """
    best = [next(token for token, each in entry.items() if each.rank == 1) for entry in named if entry is not None]
    return np.array([*best, last], np.int64)
