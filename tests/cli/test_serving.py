"""The flags of octavo serve become its settings, and keys stay secret."""

import re
from pathlib import Path

import pytest

from octavo.cli.flags import ModelFlags
from octavo.cli.serve import DoorFlags, EngineFlags, KeyFlags, LifeFlags, LimitFlags, SeenFlags
from octavo.cli.serving import read_keys, read_limits, settings_of
from octavo.errors import ConfigError
from octavo.server.limits import Limits
from octavo.server.settings import ServerSettings


def settings(**groups: object) -> ServerSettings:
    given = {
        "door": DoorFlags(),
        "keys": KeyFlags(),
        "engine": EngineFlags(),
        "limits": LimitFlags(),
        "seen": SeenFlags(),
        "life": LifeFlags(),
        "loading": ModelFlags(),
    }
    return settings_of("octavo-mini", **{**given, **groups})  # type: ignore[arg-type]


def test_without_flags_it_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCTAVO_API_KEY", raising=False)
    assert settings() == ServerSettings()


def test_flags_go_where_they_belong() -> None:
    found = settings(
        door=DoorFlags(port=0, no_webui=True),
        engine=EngineFlags(served_model_name=["a", "b"], block_size=32, no_enable_prefix_caching=True, seed=7),
        limits=LimitFlags(
            max_queue=3, max_logprobs=5, request_timeout=9.0, limit=["max-stops=4", "max_temperature=1.5"]
        ),
        loading=ModelFlags(max_num_seqs=8, no_verify=True, dtype="bfloat16"),
        seen=SeenFlags(trace_dir=Path("run.route"), trace_sample=0.5),
        life=LifeFlags(on_engine_death="restart", shutdown_timeout=3.0),
    )
    assert found.model_names == ("a", "b")
    assert (found.engine.page_size, found.engine.max_num_seqs, found.engine.seed) == (32, 8, 7)
    assert (found.engine.enable_prefix_caching, found.engine.max_logprobs) == (False, 5)
    assert (found.limits.max_queue, found.limits.max_logprobs, found.limits.max_stops) == (3, 5, 4)
    assert (found.limits.max_temperature, found.limits.request_timeout) == (1.5, 9.0)
    assert (found.model.verify, found.model.dtype, found.webui) == (False, "bfloat16", False)
    assert (found.trace.folder, found.trace.sample) == (Path("run.route"), 0.5)
    assert (found.on_engine_death, found.shutdown_timeout) == ("restart", 3.0)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("max_stop=3", "did you mean max_stops?"),
        ("zzz=3", "want one of max_header_bytes"),
        ("max_stops=many", "limit max_stops is 'many': want a number"),
        ("max_stops", "limit max_stops is '': want a number"),
        ("max_stops=1.5", "limit max_stops is '1.5'"),
        ("max_stops=-1", "max_stops is -1: want a whole number"),
        ("request_timeout=nan", "request_timeout is nan"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(pair: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_limits(LimitFlags(limit=[pair]))


def test_limits_without_flags_are_the_default() -> None:
    assert read_limits(LimitFlags()) == Limits()


def test_keys_come_from_flags_environment_and_file_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_API_KEY", "two, three")
    path = tmp_path / "keys"
    path.write_text("# ours\nthree\n\n four \n", encoding="utf-8")
    assert read_keys(KeyFlags(api_key=["one", "two"], api_key_file=path)) == ("one", "two", "three", "four")
    assert "two" not in repr(settings(keys=KeyFlags(api_key=["two"])))


def test_a_file_of_keys_without_a_key_does_not_open_the_server_to_all(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    for text, message in (("", "holds no key"), ("# none", "holds no key")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            read_keys(KeyFlags(api_key_file=path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no text"):
        read_keys(KeyFlags(api_key_file=path))
    with pytest.raises(ConfigError, match="No such file"):
        read_keys(KeyFlags(api_key_file=tmp_path / "missing"))
    path.write_bytes(b"k" * 1_000_001)
    with pytest.raises(ConfigError, match="too long"):
        read_keys(KeyFlags(api_key_file=path))
