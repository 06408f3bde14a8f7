"""The SQL of a trace's views: ``tokens`` as stored, ``routes`` with a row for each token, layer and rank.

expert = code // E^(K-1-rank) % E        weight of rank 0 = 0.5 + step · byte, of rank 1 = 1 - that
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from octavo.analysis.chunk import Flag
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import naming
from octavo.analysis.store.catalogue import Part
from octavo.analysis.store.columns import UNKNOWN_STEP, logits_dtype, schema_of, weight_dtype

# Numbers out of the bytes of a column: DuckDB has no function for a single byte, but reads hexadecimal.
MACROS = (
    "CREATE MACRO route_byte(bytes, place) AS ('0x' || hex(bytes[place + 1 : place + 1]))::INTEGER",
    "CREATE MACRO route_pair(bytes, place) AS route_byte(bytes, place) + 256 * route_byte(bytes, place + 1)",
    "CREATE MACRO route_four(bytes, place) AS route_pair(bytes, place) + 65536::BIGINT * route_pair(bytes, place + 2)",
    # IEEE 754: the number 0.f · 2^(1 - bias) where the exponent is 0, else 1.f · 2^(exponent - bias)
    """CREATE MACRO route_real(exponent, fraction, bias, top) AS CASE
        WHEN exponent = 2 * bias + 1 THEN CASE WHEN fraction = 0 THEN 'inf'::DOUBLE ELSE 'nan'::DOUBLE END
        WHEN exponent = 0 THEN fraction / top * 2.0 ** (1 - bias)
        ELSE (1 + fraction / top) * 2.0 ** (exponent - bias) END""",
    """CREATE MACRO route_half(bits) AS
        (CASE WHEN bits >= 32768 THEN -1 ELSE 1 END) * route_real(bits // 1024 % 32, bits % 1024, 15, 1024.0)""",
    """CREATE MACRO route_single(bits) AS (CASE WHEN bits >= 2147483648 THEN -1 ELSE 1 END)
        * route_real(bits // 8388608 % 256, bits % 8388608, 127, 8388608.0)""",
)


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def quoted_list(paths: Sequence[Path]) -> str:
    """Paths as a list of SQL."""
    return "[" + ", ".join(quoted(str(path)) for path in paths) + "]"


def tokens_view(parts: Sequence[Part], manifest: TraceManifest) -> str:
    """``tokens``: one row a token, the columns as stored, the domain, and each flag by its name."""
    stored = [name for name in schema_of(manifest).names if name not in ("doc_id", "pos")]
    flags = [f"flags & {int(flag)} != 0 AS {flag.name.lower()}" for flag in Flag if flag.name]
    reads = []
    for shift, group in groupby(sorted(parts, key=lambda part: part.shift), key=lambda part: part.shift):
        same = list(group)
        files = quoted_list([part.path.resolve() for part in same])
        read = f"read_parquet({files}, hive_partitioning = true, hive_types_autocast = false)"
        numbered = [f"(doc_id + {shift})::UINTEGER AS doc_id", f"{_domain(same)} AS domain", "pos"]
        reads.append(_select([*numbered, *stored, *flags], read))
    return "CREATE VIEW tokens AS " + " UNION ALL ".join(reads)


def routes_view(manifest: TraceManifest) -> str:
    """``routes``: one row for each token, layer and rank. A question about one layer reads that layer only."""
    ranks = ", ".join(f"({rank})" for rank in range(manifest.num_experts_per_tok))
    plain = ["doc_id", "domain", "pos", *["token_id"] * manifest.has_tokens, "phase", "flags"]
    plain += [flag.name.lower() for flag in Flag if flag.name]
    branches = []
    for layer in manifest.layers:
        expert = _expert(manifest, f"r{layer}", "rank")
        columns = [*plain, f"{layer}::USMALLINT AS layer", "rank::UTINYINT AS rank", "rank = 0 AS first"]
        columns += [f"{expert} AS expert", f"{_legal(manifest, f'r{layer}')} AS legal"]
        if manifest.has_weights:
            columns.append(f"{_weight(manifest, f'w{layer}')} AS weight")
        if manifest.has_logits:
            columns.append(f"{_logit(manifest, f'z{layer}', expert)} AS logit")
        branches.append(_select(columns, f"tokens, (VALUES {ranks}) AS ranks(rank)"))
    return "CREATE VIEW routes AS " + " UNION ALL ".join(branches)


def _select(columns: Sequence[str], source: str) -> str:
    return " ".join(("SELECT", ", ".join(columns), "FROM", source))


def _domain(parts: Sequence[Part]) -> str:
    """The domain as SQL: the folder's name, or the domain's own where the folder's was cut."""
    whens = [f"WHEN {quoted(spelled)} THEN {quoted(domain)}" for spelled, domain in _cut_names(parts)]
    return f"CASE domain {' '.join(whens)} ELSE domain END" if whens else "domain"


def _cut_names(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    for domain in sorted({part.domain for part in parts}):
        spelled = naming.folder_domain(naming.domain_folder(domain))
        if spelled != domain:
            yield spelled, domain


def _expert(manifest: TraceManifest, column: str, rank: str) -> str:
    coding = manifest.coding
    if coding.fits_a_byte:
        powers = [coding.num_experts ** (coding.k - 1 - each) for each in range(coding.k)]
        whens = " ".join(f"WHEN {each} THEN {power}" for each, power in enumerate(powers))
        return f"({column} // (CASE {rank} {whens} END) % {coding.num_experts})::USMALLINT"
    width = coding.id_dtype.itemsize
    return f"{'route_byte' if width == 1 else 'route_pair'}({column}, {rank} * {width})::USMALLINT"


def _legal(manifest: TraceManifest, column: str) -> str:
    k = manifest.num_experts_per_tok
    experts = [_expert(manifest, column, str(rank)) for rank in range(k)]
    tests = [f"{one} <> {two}" for place, one in enumerate(experts) for two in experts[:place]]
    tests += [f"{expert} < {manifest.num_experts}" for expert in experts]
    if manifest.coding.fits_a_byte:
        tests.append(f"{column} < {manifest.coding.size}")
    return f"({' AND '.join(tests)})"


def _weight(manifest: TraceManifest, column: str) -> str:
    if (step := manifest.weight_step) is not None:
        return f"abs(rank - (0.5::DOUBLE + {step!r}::DOUBLE * {column}))"
    if weight_dtype(manifest).itemsize == 2:
        return f"route_half(route_pair({column}, rank * 2))"
    return f"route_single(route_four({column}, rank * 4))"


def _logit(manifest: TraceManifest, column: str, expert: str) -> str:
    if (step := manifest.logits_step) is None:
        assert logits_dtype(manifest).itemsize == 2
        return f"route_half(route_pair({column}, {expert} * 2))"
    byte = f"route_byte({column}, {expert})"
    signed = f"({byte} - CASE WHEN {byte} > 127 THEN 256 ELSE 0 END)"
    return f"nullif({signed}, {UNKNOWN_STEP}) * {step!r}::DOUBLE"
