"""Reading: a batch of windows goes through the model once, and each window's rows come out."""

from collections.abc import Collection, Iterator, Sequence

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.recorder import Recorder
from octavo.api.llm import LLM
from octavo.api.prompts import PromptType
from octavo.collect.results import scored_rows
from octavo.collect.windows import Window
from octavo.engine.params import SamplingParams
from octavo.errors import OctavoError


def read_batch(
    llm: LLM, batch: Sequence[Window], recorder: Recorder, *, kept: Collection[int] | None = None
) -> Iterator[Window]:
    """Reads the windows of a batch together, records each whose number is ``kept`` (None: all), and yields it then.

    All of a batch is read, whatever is kept, since who else is read may decide a token's last bits. Raises OctavoError
    where the model's logits are not finite.
    """
    manifest = recorder.manifest
    prompts: list[PromptType] = [{"prompt_token_ids": window.token_ids} for window in batch]
    outputs = llm.generate(prompts, read_params(manifest))
    for window, output in zip(batch, outputs, strict=True):
        if output.outputs[0].finish_reason == "error":
            raise OctavoError(
                f"{window.name}: the model's logits are not finite: check the weights, or use another dtype"
            )
        if kept is not None and window.number not in kept:
            continue
        recorder.record(
            scored_rows(output, predictions=manifest.has_predictions),
            window.token_ids,
            domain=window.domain,
            name=window.name,
            source=window.source,
            number=window.number,
        )
        yield window


def read_params(manifest: TraceManifest) -> SamplingParams:
    """The request that reads a window for these columns: it writes one token where the last prediction is wanted."""
    named = 1 if manifest.has_predictions else 0 if manifest.has_nll else None
    return SamplingParams(
        max_tokens=1 if manifest.has_predictions else 0,
        temperature=0.0,
        ignore_eos=True,
        detokenize=False,
        prompt_logprobs=named,
        routing=True,
        router_logits=manifest.has_logits,
        # What others happened to read before must not decide a trace's last bits.
        skip_reading_prefix_cache=True,
    )
