"""From flags to a statistic's rows, and from rows to a table."""

import difflib
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.accumulators import load as load_counts
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import CATALOGUE, Intervals, Row, Selection, Statistic
from octavo.analysis.statistics.rows import RESULTS
from octavo.analysis.store import RouteTrace
from octavo.cli.escaping import escape_line
from octavo.cli.layers import parse_layers
from octavo.cli.screen import Screen, figures
from octavo.cli.stats import CountFlags
from octavo.errors import RequestError, TraceError

Source = TraceSource | Accumulators
CONTRACT = {"selection", "intervals"}
SHOWN = {"null_uniform": "uniform", "null_marginal": "marginal", "null_shuffle": "shuffle"}
REPLICATES = 1000


def open_source(path: Path) -> Source:
    """Opens a trace, with its rows or with counts in their place; raises TraceError for what is neither."""
    if TraceManifest.read(path).statistics_only:
        return load_counts(path)
    return RouteTrace.open(path)


def selection_of(source: Source, flags: CountFlags) -> Selection:
    """What the flags let count; of counts without rows, unless a flag says otherwise, what they counted."""
    domains = None if flags.domain is None else tuple(flags.domain)
    layers = parse_layers(flags.layer)
    if isinstance(source, Accumulators) and not (flags.bos or flags.special or flags.across_documents):
        return replace(source.selection, domains=domains, layers=layers)
    return Selection(
        bos=flags.bos,
        special=flags.special,
        across_documents=flags.across_documents,
        domains=domains,
        layers=layers,
    )


def intervals_of(source: Source, replicates: int | None, level: float, seed: int) -> Intervals | None:
    """The intervals asked for; of counts, what they hold, unless none are wanted.

    Raises RequestError where counts were asked for other draws than those that were made when they were counted.
    """
    if isinstance(source, Accumulators) and replicates != 0:
        held = source.contents
        if replicates is None and not held.replicates:
            return None
        if replicates not in (None, held.replicates) or seed not in (0, held.seed):
            raise RequestError(
                f"these counts hold {held.replicates} replicates of seed {held.seed}, drawn as they were counted: "
                "leave out --replicates and --seed, or ask for --replicates 0"
            )
        return Intervals(replicates=held.replicates, level=level, seed=held.seed)
    wanted = REPLICATES if replicates is None else replicates
    return Intervals(replicates=wanted, level=level, seed=seed) if wanted else None


def listing(source: Source) -> list[dict[str, Any]]:
    """What the catalogue has, and for each statistic why it cannot be had from this trace, or None where it can."""
    return [
        {
            "name": name,
            "meaning": each.meaning,
            "lacking": _lacking(each, source),
            "options": {option: _spelled(kind) for option, kind in _options(each).items()},
        }
        for name, each in CATALOGUE.items()
    ]


def show_listing(screen: Screen, listed: Sequence[dict[str, Any]]) -> None:
    """Shows the list, what cannot be had with its reason."""
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("statistic", "what it says", "options"):
        table.add_column(heading, overflow="fold")
    for each in listed:
        lacking = each["lacking"]
        said = each["meaning"] if lacking is None else f"{each['meaning']} (not here: {lacking})"
        table.add_row(each["name"], said, ", ".join(each["options"]), style="dim" if lacking else None)
    screen.show(table)


def measure(
    sources: Sequence[Source],
    name: str,
    *,
    selection: Selection,
    intervals: Intervals | None,
    seed: int = 0,
    flags: Mapping[str, Any],
    options: Sequence[str],
) -> list[Row]:
    """Computes one statistic of one trace, or of two.

    Raises RequestError for a name or an option that is not there, TraceError for what the trace cannot give.
    """
    statistic = _statistic(name)
    if len(sources) != statistic.traces:
        raise RequestError(
            f"{name} compares two traces: name the second with --against"
            if statistic.traces == 2
            else f"{name} takes one trace: leave out --against"
        )
    for source in sources:
        if lacking := _lacking(statistic, source):
            raise TraceError(f"no {name} from this trace: {lacking}")
    kinds = _options(statistic)
    given = {option: value for option, value in flags.items() if value is not None}
    if "seed" in kinds:
        given["seed"] = str(seed)
    for each in options:
        option, equals, value = each.partition("=")
        if not equals:
            raise RequestError(f"--option {each!r}: want NAME=VALUE, as min_count=20")
        given[option.strip().replace("-", "_")] = value
    values = {option: _value(name, option, value, kinds) for option, value in given.items()}
    parameters = inspect.signature(statistic.function).parameters
    if "intervals" in parameters:
        values["intervals"] = intervals
    return statistic.function(*sources, selection=selection, **values)


def show(screen: Screen, name: str, rows: Sequence[Row]) -> None:
    """Shows rows as a table; what is the same in all of them stands above it, once."""
    if not rows:
        screen.say(f"{name}: nothing was counted")
        return
    keys = [each for each in rows[0] if each not in RESULTS]
    same = {key: rows[0][key] for key in keys if len(rows) > 1 and all(row.get(key) == rows[0][key] for row in rows)}
    stated = [f"{key} {_cell(value)}" for key, value in same.items() if value is not None]
    results = [each for each in RESULTS if any(row.get(each) is not None for row in rows)]
    left = [key for key in keys if key not in same and any(row.get(key) is not None for row in rows)] or keys[:1]
    table = figures(left[0], *left[1:], *(SHOWN.get(each, each) for each in results))
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in (*left, *results)))
    screen.show(Text(", ".join([name, *stated]), style="bold"), table)


def _statistic(name: str) -> Statistic:
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = difflib.get_close_matches(name, CATALOGUE, n=1)
    hint = f"did you mean {near[0]}?" if near else f"want {', '.join(CATALOGUE)}"
    raise RequestError(f"no statistic {name!r}: {hint}")


def _lacking(statistic: Statistic, source: Source) -> str | None:
    """Why a statistic cannot be had from a trace; None where it can."""
    if isinstance(source, Accumulators) and not statistic.accumulated:
        return "it wants rows, and here are counts only"
    lost = [name for name in sorted(statistic.needs) if not getattr(source.manifest, f"has_{name}")]
    return f"it wants {' and '.join(lost)}, which were not recorded" if lost else None


def _options(statistic: Statistic) -> dict[str, Any]:
    """The options of a statistic by name, with their types."""
    hints = typing.get_type_hints(statistic.function)
    parameters = inspect.signature(statistic.function).parameters.values()
    return {
        each.name: hints[each.name]
        for each in parameters
        if each.kind is inspect.Parameter.KEYWORD_ONLY and each.name not in CONTRACT
    }


def _value(name: str, option: str, value: Any, kinds: Mapping[str, Any]) -> Any:
    if option not in kinds:
        known = ", ".join(kinds) or "none"
        raise RequestError(f"{name} has no option {option!r}: it has {known}")
    kind, listed = _kind(kinds[option])
    parts = value if isinstance(value, list) else str(value).split(",") if listed else [value]
    if not listed and len(parts) != 1:
        raise RequestError(f"{name} takes one {option}, not {len(parts)}: give it once")
    read = [_read(option, part, kind) for part in parts]
    return tuple(read) if listed else read[0]


def _read(option: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise RequestError(f"{option} is {text!r}: want true or false")
        return text.lower() in ("true", "1")
    try:
        return kind(text.strip())
    except ValueError:
        raise RequestError(f"{option} is {text!r}: want {'a number' if kind in (int, float) else 'text'}") from None


def _kind(hint: Any) -> tuple[type, bool]:
    """The type of an option's value, and whether it takes several."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [each for each in typing.get_args(hint) if each is not type(None)]
        plain = [each for each in members if each in (int, float, str, bool)]
        return _kind(plain[0] if plain else members[0])
    if typing.get_origin(hint) is not None:
        return _kind(typing.get_args(hint)[0])[0], True
    return hint, False


def _spelled(hint: Any) -> str:
    kind, listed = _kind(hint)
    return f"{kind.__name__}{', ...' if listed else ''}"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape_line(str(value))
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.4g}"
