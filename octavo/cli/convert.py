"""``octavo convert``: a model folder from one dialect to another, to the bit."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from octavo.cli.flags import SWITCH, Dtype, Json

Target = Literal["hf", "hf-stacked", "native"]


def convert(
    source: Annotated[Path, Argument(metavar="SRC", help="The model folder to read, in any dialect.")],
    destination: Annotated[Path, Argument(metavar="DST", help="The folder to write.")],
    *,
    to: Annotated[
        Target,
        Option(
            metavar="DIALECT",
            help="hf: Hugging Face, each expert by itself. hf-stacked: all experts of a layer in one tensor, as "
            "transformers 5 holds them. native: the publisher's own, consolidated.safetensors.",
        ),
    ],
    dtype: Annotated[
        Dtype, Option(metavar="TYPE", help="float32, bfloat16, float16, or auto: as stored, to the bit.")
    ] = "auto",
    max_shard_size: Annotated[
        str | None, Option(metavar="SIZE", help="Most bytes of one file, as 5GB or 500MiB; hf: 5GB, native: no limit.")
    ] = None,
    allow_pickle: Annotated[
        bool,
        Option("--allow-pickle", metavar=SWITCH, help="Read .pth files too, weights only; for folders that you trust."),
    ] = False,
    overwrite: Annotated[bool, Option("--overwrite", metavar=SWITCH, help="Replace what DST holds.")] = False,
    no_verify: Annotated[bool, Option("--no-verify", metavar=SWITCH, help="Skip the checksums of SRC.")] = False,
    json: Json = False,
) -> None:
    """Writes a model folder in another dialect: settings, weights, tokenizer and checksums.

    Weights keep their bits unless --dtype asks for others. Memory peaks at
    one tensor and one shard, not two models. DST appears whole or not at all.
    """
    from octavo.api.opening import DTYPES
    from octavo.checkpoint import Dialect
    from octavo.checkpoint import convert as convert_folder
    from octavo.cli.escaping import escape_line
    from octavo.cli.progress import byte_bar
    from octavo.cli.screen import open_screen, print_json
    from octavo.cli.sizes import short
    from octavo.errors import RequestError

    if destination.exists() and not overwrite and (not destination.is_dir() or any(destination.iterdir())):
        raise RequestError(f"{destination} is not empty: choose another folder, or replace it with --overwrite")
    with byte_bar(f"writing {destination}") as progress:
        written = convert_folder(
            source,
            destination,
            dialect=Dialect(to),
            dtype=None if dtype == "auto" else DTYPES[dtype],
            max_shard_bytes=_size(max_shard_size),
            allow_pickle=allow_pickle,
            overwrite=overwrite,
            verify=not no_verify,
            progress=progress,
        )
    size = sum(file.stat().st_size for file in written.files)
    if json:
        files = [file.name for file in written.files]
        print_json(
            {"folder": str(written.path), "dialect": to, "tensors": len(written.tensors), "bytes": size, "files": files}
        )
    else:
        many = f"{len(written.tensors):,} tensors, {short(size, 'B')}, {len(written.files)} weight file(s)"
        open_screen().write(f"{escape_line(str(written.path))}: {to}, {many}\n")


def _size(text: str | None) -> int | None:
    """The bytes of ``--max-shard-size``; raises RequestError for what is none."""
    from octavo.checkpoint import shard_bytes
    from octavo.errors import CheckpointError, RequestError

    try:
        return None if text is None else shard_bytes(text)
    except CheckpointError as error:
        raise RequestError(f"--max-shard-size: {error}") from None
