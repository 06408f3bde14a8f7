"""Settings are checked when they are made, and show no key."""

from pathlib import Path

import pytest

from octavo.errors import ConfigError
from octavo.server.settings import DoorSettings, ModelSettings, ServerSettings, TraceSettings


def test_without_anything_it_is_octavo_mini_on_this_machine_only() -> None:
    settings = ServerSettings()
    assert settings.model_names == ("octavo-mini",)
    assert (settings.door.host, settings.door.port) == ("127.0.0.1", 8000)
    assert settings.api_keys == settings.allowed_origins == ()


def test_served_names_stand_in_for_the_models_own() -> None:
    settings = ServerSettings(model=ModelSettings(name="some/folder"), served_model_names=("a", "b"))
    assert settings.model_names == ("a", "b")


def test_a_key_is_never_shown() -> None:
    assert "hush" not in repr(ServerSettings(api_keys=("hush",)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DoorSettings(port=65536), "port is 65536: want 0 to 65535"),
        (lambda: DoorSettings(ssl_keyfile=Path("key")), "ssl_keyfile is given without ssl_certfile"),
        (lambda: DoorSettings(ssl_certfile=Path("cert")), "ssl_certfile is given without ssl_keyfile"),
        (lambda: TraceSettings(sample=0.0), "trace_sample is 0.0: want a share"),
        (lambda: ServerSettings(shutdown_timeout=float("nan")), "shutdown_timeout is nan"),
        (lambda: ServerSettings(shutdown_timeout=-1.0), "shutdown_timeout is -1.0"),
        (lambda: ServerSettings(api_keys=("hu sh",)), "an API key is empty or holds"),
        (lambda: ServerSettings(api_keys=("",)), "an API key is empty or holds"),
        (lambda: ServerSettings(metrics_prefix="my-own"), "metrics_prefix is 'my-own'"),
    ],
)
def test_what_cannot_be_is_refused_and_no_key_is_told(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make()  # type: ignore[operator]
    assert "hu sh" not in str(caught.value)
