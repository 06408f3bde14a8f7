"""From a file of another program to a trace on the disk: which reader reads it, and what is written of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from octavo.analysis.accumulators import Accumulators, save
from octavo.analysis.importers import olmoe, sglang, transformers, vllm
from octavo.analysis.importers.checks import check_ids
from octavo.analysis.importers.recording import Marks, Recording, join
from octavo.analysis.importers.shape import RouterShape
from octavo.analysis.store import TraceWriter
from octavo.analysis.store.vocabulary import write_words
from octavo.errors import TraceError

READERS: Mapping[str, Callable[..., Recording]] = {
    transformers.SOURCE: transformers.read_file,
    vllm.SOURCE: vllm.read_file,
    sglang.SOURCE: sglang.read_file,
}
FORMATS = (*READERS, olmoe.SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What token ids stand for: the bytes of each, and the ids that are no text. Without them ids stay numbers."""

    pieces: Sequence[bytes]
    marks: Marks


def import_files(
    paths: Sequence[Path],
    kind: str,
    folder: Path,
    *,
    shape: RouterShape | None = None,
    domain: str | None = None,
    words: Words | None = None,
) -> Recording | Accumulators:
    """Reads ``paths`` as files of the program ``kind`` and writes one trace into ``folder``.

    A file's name, up to its first dot, is its domain, unless ``domain`` names one. Nothing is written before all is
    read and checked. Raises TraceError for what cannot be, and where ``folder`` holds something else.
    """
    if kind not in FORMATS:
        raise TraceError(f"no importer for {kind!r}: want one of {', '.join(FORMATS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TraceError(f"{folder} is there already: choose another folder for what is imported")
    if kind == olmoe.SOURCE:
        return _import_counts(paths, folder, shape, words)
    if shape is None:
        raise TraceError(
            "ids alone do not say how many experts there were: give the model's config.json, or the numbers"
        )
    marks = None if words is None else words.marks
    recording = join([READERS[kind](path, shape, domain=domain, marks=marks) for path in paths])
    write(recording, folder, words=words)
    return recording


def write(recording: Recording, folder: Path, *, words: Words | None = None) -> None:
    """Writes a recording as a trace; a column that not all documents have is left out."""
    manifest = recording.manifest()
    if words is not None:
        manifest = replace(manifest, vocab_size=len(words.pieces))
        for document in recording.documents:
            if document.token_T is not None:
                check_ids(document.token_T, document.source, vocab_size=len(words.pieces))
    with TraceWriter(folder, manifest) as writer:
        for document in recording.documents:
            writer.add(
                replace(
                    document,
                    token_T=document.token_T if manifest.has_tokens else None,
                    weight_TLK=document.weight_TLK if manifest.has_weights else None,
                    logits_TLE=document.logits_TLE if manifest.has_logits else None,
                )
            )
        if words is not None:
            writer.write_vocabulary(words.pieces, words.marks.special)


def _import_counts(paths: Sequence[Path], folder: Path, shape: RouterShape | None, words: Words | None) -> Accumulators:
    if len(paths) != 1:
        raise TraceError(f"{len(paths)} files of counts: want one at a time, since counts do not say what they share")
    counts = olmoe.read_file(paths[0], shape, vocab_size=None if words is None else len(words.pieces))
    folder.mkdir(parents=True, exist_ok=True)
    save(counts, folder)
    if words is not None and counts.manifest.has_tokens:
        write_words(folder, words.pieces, words.marks.special)
    return counts
