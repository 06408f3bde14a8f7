"""The whole server in this process but for its socket: requests reach the application as if they had come by HTTP.

So a file of requests is answered to the letter as ``octavo serve`` answers them; the engine has its own process too.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import httpx2

from octavo.cli.exits import opening_model
from octavo.cli.flags import ModelFlags
from octavo.cli.progress import spinner
from octavo.client.endpoint import Endpoint
from octavo.engine.config import EngineConfig
from octavo.errors import ConfigError
from octavo.server.limits import Limits
from octavo.server.settings import ModelSettings, ServerSettings

Opened = tuple[httpx2.AsyncClient, Endpoint]
# Nobody else waits here, so a request may take its time.
SECONDS_A_REQUEST = 24 * 3600.0


def inside(
    model: str, flags: ModelFlags, *, served_model_name: str | None
) -> Callable[[], contextlib.AbstractAsyncContextManager[Opened]]:
    """Opens a client of a model in this process; errors of the model's files exit with 3, those of the flags with 2."""
    settings = settings_of(model, flags, served_model_name=served_model_name)

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Opened]:
        try:
            from octavo.server.app import build_app
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{error.name} is not installed: pip install 'octavo[serve]', or ask a server with --url"
            ) from None
        from octavo.server.backend.loading import find, find_own_tokenizer
        from octavo.server.backend.spawned import ProcessService
        from octavo.server.routes.front import make_front

        service = ProcessService(settings.model, settings.engine)
        try:
            with opening_model():
                found = find(settings.model)
                with spinner(f"loading {model}"):
                    tokenizer = await asyncio.to_thread(find_own_tokenizer, settings.model, found)
                    await service.start()
            app = build_app(service, make_front(settings.model_names, found.config, tokenizer), settings)
            transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
            endpoint = Endpoint(url="http://inside")
            async with httpx2.AsyncClient(transport=transport, base_url=endpoint.url, timeout=None) as client:
                yield client, endpoint
        finally:
            await service.stop()

    return opened


def settings_of(model: str, flags: ModelFlags, *, served_model_name: str | None) -> ServerSettings:
    """A server's settings as the flags of a command that loads a model put them."""
    limits = {name: getattr(flags, name) for name in ("max_model_len", "max_num_seqs", "max_num_batched_tokens")}
    return ServerSettings(
        model=ModelSettings(
            name=model,
            tokenizer=flags.tokenizer,
            revision=flags.revision,
            device=flags.device,
            dtype=flags.dtype,
            batch_invariant=flags.batch_invariant,
            verify=not flags.no_verify,
        ),
        engine=EngineConfig(**{name: limit for name, limit in limits.items() if limit is not None}),
        limits=Limits(request_timeout=SECONDS_A_REQUEST),
        served_model_names=(served_model_name,) if served_model_name else (),
        webui=False,
    )
