"""From the flags of ``octavo serve`` to its settings, and from its end to an exit code."""

import difflib
import logging
import os
from dataclasses import fields
from pathlib import Path

from octavo.api.opening import choose_device, choose_dtype
from octavo.cli.exits import ENGINE_DIED, complain, opening_model
from octavo.cli.flags import ModelFlags
from octavo.cli.serve import DoorFlags, EngineFlags, KeyFlags, LifeFlags, LimitFlags, SeenFlags
from octavo.engine.config import EngineConfig
from octavo.errors import ConfigError

try:
    from octavo.server.app import build_app
    from octavo.server.backend.service import EngineDead
    from octavo.server.edge.door import open_door
    from octavo.server.limits import Limits
    from octavo.server.logs import log_to_stderr
    from octavo.server.running import Announced
    from octavo.server.running import run as run_server
    from octavo.server.settings import DoorSettings, ModelSettings, ServerSettings, TraceSettings
except ModuleNotFoundError as error:
    if (error.name or "").startswith("octavo"):
        raise
    raise ConfigError(f"serving needs {error.name}, which is not installed: pip install 'octavo[serve]'") from None

LONGEST_KEY_FILE = 1_000_000


def settings_of(
    model: str,
    *,
    door: DoorFlags,
    keys: KeyFlags,
    engine: EngineFlags,
    limits: LimitFlags,
    seen: SeenFlags,
    life: LifeFlags,
    loading: ModelFlags,
) -> ServerSettings:
    """What the flags say; raises ConfigError for what cannot be."""
    return ServerSettings(
        model=ModelSettings(
            name=model,
            tokenizer=loading.tokenizer,
            revision=loading.revision,
            device=loading.device,
            dtype=loading.dtype,
            load_format=engine.load_format,
            batch_invariant=loading.batch_invariant,
            verify=not loading.no_verify,
        ),
        engine=_engine_config(engine, limits, loading),
        door=DoorSettings(
            host=door.host, port=door.port, uds=door.uds, ssl_keyfile=door.ssl_keyfile, ssl_certfile=door.ssl_certfile
        ),
        limits=read_limits(limits),
        trace=TraceSettings(folder=seen.trace_dir, sample=seen.trace_sample, tokens=seen.trace_tokens),
        served_model_names=tuple(engine.served_model_name or ()),
        api_keys=read_keys(keys),
        allowed_origins=tuple(keys.allowed_origins or ()),
        metrics_prefix=seen.metrics_prefix,
        webui=not door.no_webui,
        shutdown_timeout=life.shutdown_timeout,
        on_engine_death=life.on_engine_death,
        log_requests=seen.enable_log_requests,
    )


def _engine_config(engine: EngineFlags, limits: LimitFlags, loading: ModelFlags) -> EngineConfig:
    given = {
        "page_size": engine.block_size,
        "max_num_seqs": loading.max_num_seqs,
        "max_num_batched_tokens": loading.max_num_batched_tokens,
        "memory_bytes": engine.kv_cache_memory_bytes,
        "max_model_len": loading.max_model_len,
        "max_logprobs": limits.max_logprobs,
    }
    return EngineConfig(
        **{name: value for name, value in given.items() if value is not None},
        enable_prefix_caching=engine.enable_prefix_caching and not engine.no_enable_prefix_caching,
        seed=engine.seed,
    )


def read_limits(flags: LimitFlags) -> Limits:
    """The bounds; raises ConfigError for one that nobody knows or that is no number."""
    known = {field.name: field.type for field in fields(Limits)}
    given: dict[str, float] = {}
    for pair in flags.limit or ():
        name, _, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f": did you mean {near[0]}?" if near else f": want one of {', '.join(known)}"
            raise ConfigError(f"limit {name!r} is not known{hint}")
        try:
            given[name] = int(text) if known[name] in (int, "int") else float(text)
        except ValueError:
            raise ConfigError(f"limit {name} is {text!r}: want a number, as in {name}=16") from None
    for name in ("max_queue", "request_timeout", "max_n", "max_prompts", "max_logprobs", "max_body_bytes"):
        value = getattr(flags, name)
        if value is not None:
            given[name] = value
    return Limits(**given)  # type: ignore[arg-type]


def read_keys(flags: KeyFlags) -> tuple[str, ...]:
    """The API keys of the flags, of OCTAVO_API_KEY and of a file, each once; raises ConfigError for no usable file."""
    given = [*(flags.api_key or ()), *os.environ.get("OCTAVO_API_KEY", "").replace(",", " ").split()]
    if flags.api_key_file is not None:
        given += _keys_in(flags.api_key_file)
    return tuple(dict.fromkeys(given))


def _keys_in(path: Path) -> list[str]:
    try:
        if path.stat().st_size > LONGEST_KEY_FILE:
            raise ConfigError(f"{path}: is too long for a file of keys: want one key a line")
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no text: want one key a line") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: want a file with one key a line") from None
    found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        # Somebody who names a file of keys does not mean a server that is open to all.
        raise ConfigError(f"{path}: holds no key: want one key a line, or leave api-key-file out")
    return found


def set_up_logs(*, requests: bool) -> None:
    """Sends the server's log to stderr; ``requests`` adds a line for each."""
    log_to_stderr(logging.getLogger("octavo"))
    log_to_stderr(logging.getLogger("uvicorn.error"), level=logging.ERROR)
    log_to_stderr(logging.getLogger("uvicorn.access"), level=logging.INFO if requests else logging.CRITICAL)


def announce(announced: Announced) -> None:
    """Says where the server is, once it listens."""
    facts = announced.service.facts
    where = f"{announced.address}/v1" if announced.address.startswith("http") else announced.address
    print(
        f"{announced.front.names[0]} is served at {where} "
        f"({facts.dtype} on {facts.device}, {facts.max_model_len} positions a sequence, "
        f"{facts.num_pages * facts.page_size} in the cache, opened in {facts.load_seconds:.1f} s); Ctrl-C ends it",
        flush=True,
    )


def run(
    model: str,
    *,
    door: DoorFlags,
    keys: KeyFlags,
    engine: EngineFlags,
    limits: LimitFlags,
    seen: SeenFlags,
    life: LifeFlags,
    loading: ModelFlags,
) -> None:
    """Serves until it is told to stop; exits with ENGINE_DIED where the engine died for good."""
    settings = settings_of(
        model, door=door, keys=keys, engine=engine, limits=limits, seen=seen, life=life, loading=loading
    )
    choose_dtype(settings.model.dtype, choose_device(settings.model.device))
    set_up_logs(requests=settings.log_requests)
    bound = open_door(settings.door)
    try:
        with opening_model():
            ended = run_server(settings, bound, build_app, announce)
    except EngineDead as error:
        complain(str(error))
        raise SystemExit(ENGINE_DIED) from None
    if ended.trouble is not None:
        complain(f"{ended.trouble}: start it again, or let it do so itself with --on-engine-death restart")
        raise SystemExit(ENGINE_DIED)
