"""Opens the model that a command names; errors of its files are told apart from errors of the command line."""

import dataclasses
import sys
import time
from dataclasses import dataclass

from octavo.api.llm import LLM
from octavo.api.opening import choose_device, choose_dtype, find_model, use_one_thread_if_small
from octavo.cli.escaping import escape_line
from octavo.cli.exits import opening_model
from octavo.cli.flags import ModelFlags, SamplingFlags
from octavo.cli.progress import spinner
from octavo.cli.reading import check_layer
from octavo.engine.config import EngineConfig
from octavo.engine.memory_plan import MemoryPlan
from octavo.engine.params import SamplingParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A model ready to run: the name it was called by, and how long it took to load."""

    name: str
    llm: LLM
    load_seconds: float


def open_llm(
    model: str, flags: ModelFlags, *, experts: int | None = None, writes: bool = True, verbose: bool = False
) -> Opened:
    """Loads a model with the flags of the command line; ``experts`` is a layer that must have some.

    ``writes`` says that it will write text, token by token, rather than read long ones; ``verbose`` tells on stderr
    what it will take of the device's memory.
    Errors of the model's files exit with 3, errors of the flags with 2.
    """
    device = choose_device(flags.device)
    choose_dtype(flags.dtype, device)
    limits = {name: getattr(flags, name) for name in ("max_model_len", "max_num_seqs", "max_num_batched_tokens")}
    EngineConfig(**{name: limit for name, limit in limits.items() if limit is not None})
    began = time.perf_counter()
    with opening_model():
        folder = find_model(model, revision=flags.revision)  # without a spinner: downloads have bars of their own
        with spinner(f"loading {model}"):
            llm = LLM(
                folder,
                tokenizer=flags.tokenizer,
                device=device,
                dtype=flags.dtype,
                verify=not flags.no_verify,
                batch_invariant=flags.batch_invariant,
                max_logprobs=-1,
                planned=_tell if verbose else None,
                **limits,
            )
    if experts is not None:
        check_layer(experts, num_layers=llm.config.num_layers, num_experts=llm.config.num_experts)
    if writes:
        use_one_thread_if_small(llm.config, device)
    return Opened(name=model, llm=llm, load_seconds=time.perf_counter() - began)


def _tell(plan: MemoryPlan) -> None:
    print(f"octavo: {escape_line(plan.line())}", file=sys.stderr, flush=True)


def sampling_params(flags: SamplingFlags, *, logprobs: int | None = None, routing: bool = False) -> SamplingParams:
    """The request that the flags describe; raises RequestError for a value out of its bounds."""
    return SamplingParams(**dataclasses.asdict(flags), logprobs=logprobs, routing=routing)
