"""``octavo serve``: an OpenAI-compatible server in front of a model, with a page to talk to it and see its experts."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import BadParameter, Context, Option

from octavo.cli.flags import EMBEDDED, SWITCH, Model, ModelFlags
from octavo.errors import ConfigError

_door = functools.partial(Option, rich_help_panel="Where it listens")
_keys = functools.partial(Option, rich_help_panel="Who may use it")
_engine = functools.partial(Option, rich_help_panel="Engine")
_limits = functools.partial(Option, rich_help_panel="Limits")
_seen = functools.partial(Option, rich_help_panel="What is seen and kept")
_life = functools.partial(Option, rich_help_panel="Start and stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorFlags:
    """Where the server listens."""

    host: Annotated[str, _door(metavar="NAME", help="0.0.0.0 is every interface: then set keys.")] = "127.0.0.1"
    port: Annotated[int, _door(metavar="N", help="0 is any that is free.")] = 8000
    uds: Annotated[Path | None, _door(metavar="PATH", help="A Unix socket in place of host and port.")] = None
    ssl_keyfile: Annotated[Path | None, _door(metavar="FILE", help="The key of TLS, in PEM form.")] = None
    ssl_certfile: Annotated[Path | None, _door(metavar="FILE", help="Its certificate.")] = None
    no_webui: Annotated[bool, _door("--no-webui", metavar=SWITCH, help="No page at /.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFlags:
    """Who may use it."""

    api_key: Annotated[
        list[str] | None,
        _keys(
            metavar="KEY",
            help="Only with one of these keys. Repeatable. OCTAVO_API_KEY (several with commas between) and "
            "--api-key-file are not seen in the list of processes.",
        ),
    ] = None
    api_key_file: Annotated[Path | None, _keys(metavar="FILE", help="One key a line.")] = None
    allowed_origins: Annotated[
        list[str] | None, _keys(metavar="URL", help="A site whose pages may use it too. Repeatable.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFlags:
    """How the engine is made, beside what every command has."""

    served_model_name: Annotated[
        list[str] | None, _engine(metavar="NAME", help="What requests call the model. Repeatable.")
    ] = None
    load_format: Annotated[
        Literal["auto", "safetensors", "dummy"],
        _engine(metavar="FORMAT", help="auto, safetensors, or dummy: random weights, also for mixtral-8x7b by name."),
    ] = "auto"
    block_size: Annotated[int | None, _engine(metavar="N", help="Positions in a page of the cache.")] = None
    kv_cache_memory_bytes: Annotated[int | None, _engine(metavar="N", help="Size of the cache.")] = None
    enable_prefix_caching: Annotated[bool, _engine("--enable-prefix-caching", metavar=SWITCH, hidden=True)] = True
    no_enable_prefix_caching: Annotated[
        bool,
        _engine("--no-enable-prefix-caching", metavar=SWITCH, help="Forget what was read of prompts that have ended."),
    ] = False
    seed: Annotated[int, _engine(metavar="N", help="Where requests without a seed draw theirs.")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFlags:
    """What a request may take."""

    max_queue: Annotated[int | None, _limits(metavar="N", help="Sequences that may wait; then 429.")] = None
    request_timeout: Annotated[float | None, _limits(metavar="SECONDS", help="The longest a request may take.")] = None
    max_n: Annotated[int | None, _limits(metavar="N", help="Most outputs for each prompt.")] = None
    max_prompts: Annotated[int | None, _limits(metavar="N", help="Most prompts in a request.")] = None
    max_logprobs: Annotated[int | None, _limits(metavar="N", help="Most alternatives at each position.")] = None
    max_body_bytes: Annotated[int | None, _limits(metavar="N", help="Longest body; then 413.")] = None
    limit: Annotated[
        list[str] | None, _limits(metavar="NAME=N", help="Any other bound of docs/security.md. Repeatable.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFlags:
    """What is seen and kept of requests."""

    metrics_prefix: Annotated[str, _seen(metavar="NAME", help="vllm lets boards made for it run.")] = "octavo"
    trace_dir: Annotated[
        Path | None, _seen(metavar="DIR", help="Record which experts read each token of live requests, a trace a run.")
    ] = None
    trace_sample: Annotated[float, _seen(metavar="SHARE", help="Of so many of the requests.")] = 1.0
    trace_tokens: Annotated[
        bool, _seen("--trace-tokens", metavar=SWITCH, help="Record token ids too: texts can then be read.")
    ] = False
    enable_log_requests: Annotated[
        bool, _seen("--enable-log-requests", metavar=SWITCH, help="Log each request, never its text.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeFlags:
    """How it stops."""

    shutdown_timeout: Annotated[
        float, _life(metavar="SECONDS", help="What running requests get to end after SIGTERM.")
    ] = 30.0
    on_engine_death: Annotated[
        Literal["exit", "restart"], _life(metavar="WAY", help="exit, or restart: open the model once more.")
    ] = "exit"


def _take_file(context: Context, path: Path | None) -> Path | None:
    """Makes the settings of a file the defaults of the flags that the command line does not give."""
    from octavo.cli.settings_file import read_settings_file

    if path is not None:
        several = {parameter.name for parameter in context.command.params if getattr(parameter, "multiple", False)}
        try:
            found = read_settings_file(path, (parameter.name or "" for parameter in context.command.params))
        except ConfigError as error:
            raise BadParameter(str(error)) from None
        context.default_map = {
            name: [value] if name in several and not isinstance(value, list) else value for name, value in found.items()
        }
    return path


def serve(
    model: Model = EMBEDDED,
    *,
    config: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Flags from a file, one NAME: VALUE a line. The command line goes before it.",
            callback=_take_file,
            is_eager=True,
        ),
    ] = None,
    door: DoorFlags,
    keys: KeyFlags,
    engine: EngineFlags,
    limits: LimitFlags,
    seen: SeenFlags,
    life: LifeFlags,
    loading: ModelFlags,
) -> None:
    """Serves a model as OpenAI's API does, and shows at / which expert reads what.

    octavo serve

    serves octavo-mini at http://127.0.0.1:8000 to this machine. Any OpenAI
    client speaks with http://127.0.0.1:8000/v1.
    """
    from octavo.cli import serving

    serving.run(model, door=door, keys=keys, engine=engine, limits=limits, seen=seen, life=life, loading=loading)
