"""``octavo verify``: every tensor of a folder against the checksums that came with it."""

from typing import Annotated

from typer import Argument, Option

from octavo.cli.flags import EMBEDDED, Json

Folder = Annotated[
    str, Argument(metavar="MODEL", help="A model folder, a Hub id, or octavo-mini.", envvar="OCTAVO_MODEL")
]


def verify(
    model: Folder = EMBEDDED,
    *,
    revision: Annotated[str | None, Option(metavar="NAME", help="Branch, tag or commit of a Hub id.")] = None,
    json: Json = False,
) -> None:
    """Compares a model folder with its checksums, tensor by tensor, and names every one that is damaged.

    Folders that Octavo wrote have a manifest; files of the Hub's cache are
    named by their checksums. Any other folder is checked for names, shapes,
    dtypes and sizes. Exit code 3 says that something is damaged.
    """
    from octavo.api.opening import find_model
    from octavo.checkpoint import verify_folder
    from octavo.cli.escaping import escape_line
    from octavo.cli.exits import BAD_MODEL, opening_model
    from octavo.cli.progress import byte_bar
    from octavo.cli.screen import open_screen, print_json

    with opening_model():
        folder = find_model(model, revision=revision)
        with byte_bar(f"verifying {model}") as progress:
            found = verify_folder(folder, progress=progress)
    if json:
        names = ("against", "tensors", "files", "failures", "ok")
        print_json({"folder": str(folder)} | {name: getattr(found, name) for name in names})
    else:
        basis = {"manifest": "its manifest", "hub": "the Hub cache's checksums"}
        compared = (
            f"{found.tensors:,} tensors and {found.files:,} files compared with {basis.get(str(found.against), '')}"
        )
        if found.against is None:
            compared = "no checksums are there, so only names, shapes, dtypes and sizes were checked"
        verdict = "whole" if found.ok else f"{len(found.failures):,} damaged"
        lines = [*found.failures, f"{folder}: {verdict}; {compared}"]
        open_screen().write("".join(escape_line(line) + "\n" for line in lines))
    if not found.ok:
        raise SystemExit(BAD_MODEL)
