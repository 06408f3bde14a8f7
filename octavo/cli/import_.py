"""``octavo import``: routings that other programs recorded, checked and written as a trace."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from octavo.cli.flags import Json

Format = Literal["transformers", "vllm", "sglang", "olmoe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeFlags:
    """What ids alone do not say of the model that routed."""

    model: Annotated[
        str | None,
        Option(metavar="MODEL", help="The model that routed: a folder, its config.json, a Hub id, or mixtral-8x7b."),
    ] = None
    num_experts: Annotated[int | None, Option(metavar="N", help="Experts of a layer, in place of --model.")] = None
    num_experts_per_tok: Annotated[int | None, Option(metavar="K", help="Experts that read a token.")] = None
    layers: Annotated[
        str | None, Option(metavar="LIST", help="The layers that have experts, by number from 0: 0-31, or 0,7,15.")
    ] = None
    num_hidden_layers: Annotated[
        int | None, Option(metavar="N", help="All layers, those without experts too; SGLang records them all.")
    ] = None


def import_(
    sources: Annotated[list[Path], Argument(metavar="SOURCE...", help="Files of the program, one domain each.")],
    *,
    format: Annotated[
        Format,
        Option(
            metavar="PROGRAM",
            help="transformers: router_logits and input_ids in .npz or .safetensors. vllm: the server's answers in "
            ".json or .jsonl, or routed_experts in .npy or .npz. sglang: answers, or .npy. olmoe: counts in .json or "
            ".json.xz.",
        ),
    ],
    output: Annotated[Path, Option("--output", "-o", metavar="RUN.route", help="The trace to write.")],
    domain: Annotated[
        str | None, Option(metavar="NAME", help="The domain of all documents; the name of its file if left out.")
    ] = None,
    tokenizer: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="Tokenizer files: what the ids spell, and which are special tokens."),
    ] = None,
    shape: ShapeFlags,
    json: Json = False,
) -> None:
    """Makes a trace of what transformers, vLLM or SGLang recorded, or of counts as OLMoE's authors published them.

    What no router does is refused: ids out of range, an expert twice in a
    row, rows of zeros, rows that do not fit the tokens, probabilities in the
    place of logits. What the program did not say stays unknown: the order of
    a token's experts without their weights, the last token, cached rows.
    """
    from octavo.analysis.accumulators import Accumulators
    from octavo.analysis.importers.writing import import_files
    from octavo.cli.escaping import escape_line
    from octavo.cli.screen import open_screen, print_json

    done = import_files(sources, format, output, shape=_shape(shape), domain=domain, words=_words(tokenizer))
    counted = isinstance(done, Accumulators)
    manifest = done.manifest if isinstance(done, Accumulators) else done.manifest()
    told: dict[str, Any] = {
        "trace": str(output),
        "documents": None if isinstance(done, Accumulators) else len(done.documents),
        "tokens": done.num_tokens
        if isinstance(done, Accumulators)
        else sum(each.num_tokens for each in done.documents),
        "statistics_only": counted,
        "rank_ordered": manifest.rank_ordered,
        "special_tokens": manifest.settings.get("special_tokens", "counted"),
    }
    if json:
        print_json(told)
        return
    kind = "counts only" if counted else f"{told['documents']:,} document(s)"
    order = "" if manifest.rank_ordered else "; which expert came first is not known"
    marks = "; special tokens are not known without --tokenizer" if told["special_tokens"] == "unknown" else ""
    open_screen().write(f"{escape_line(str(output))}: {told['tokens']:,} tokens, {kind}{order}{marks}\n")


def _shape(flags: ShapeFlags) -> Any:
    """The shape that the flags give; None where they give none. Raises RequestError where they give half of one."""
    from octavo.analysis.importers.shape import RouterShape
    from octavo.cli.layers import parse_layers
    from octavo.errors import RequestError

    layers, numbers = parse_layers(flags.layers), (flags.num_experts, flags.num_experts_per_tok)
    if flags.model is not None:
        if numbers != (None, None) or layers is not None or flags.num_hidden_layers is not None:
            raise RequestError("--model says how many experts and layers there are: give it, or the numbers, not both")
        return _shape_of(flags.model)
    if numbers == (None, None) and layers is None:
        return None
    if flags.num_experts is None or flags.num_experts_per_tok is None or layers is None:
        raise RequestError("half of a model: want --num-experts, --num-experts-per-tok and --layers, or --model")
    return RouterShape(
        num_experts=flags.num_experts,
        k=flags.num_experts_per_tok,
        layers=layers,
        num_hidden_layers=flags.num_hidden_layers,
    )


def _shape_of(model: str) -> Any:
    """The shape of a folder's or a Hub id's config.json, of any family, or of a published Mixtral by name."""
    from octavo.analysis.importers.shape import RouterShape
    from octavo.cli.exits import opening_model
    from octavo.cli.flags import EMBEDDED
    from octavo.config import PRESETS

    path = Path(model)
    if path.exists():
        return RouterShape.from_config(path)
    if model in PRESETS:
        config = PRESETS[model]()
        layers = tuple(range(config.num_layers))
        return RouterShape(num_experts=config.num_experts, k=config.num_experts_per_tok, layers=layers)
    # Only here, since these need torch.
    from octavo.api.opening import find_model
    from octavo.checkpoint import fetch

    with opening_model():
        return RouterShape.from_config(find_model(model) if model == EMBEDDED else fetch(model, settings_only=True))


def _words(tokenizer: Path | None) -> Any:
    from octavo.analysis.importers.recording import Marks
    from octavo.analysis.importers.writing import Words
    from octavo.tokenizer import Tokenizer

    if tokenizer is None:
        return None
    opened = Tokenizer.from_file(tokenizer) if tokenizer.is_file() else Tokenizer.from_folder(tokenizer)
    marks = Marks(bos=opened.bos_id, special=opened.special_ids)
    return Words(pieces=opened.vocabulary.pieces, marks=marks)
