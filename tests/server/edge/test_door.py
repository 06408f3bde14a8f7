"""A door that cannot be opened says why; a stale socket's file is no hindrance, a file of somebody else's is."""

import os
import socket
import stat
from pathlib import Path

import pytest

from octavo.errors import ConfigError
from octavo.server.edge.door import address_of, close_door, open_door
from octavo.server.settings import DoorSettings


def test_port_0_is_any_that_is_free_and_on_this_machine_only() -> None:
    door = DoorSettings(port=0)
    with open_door(door) as bound:
        host, port = bound.getsockname()
        assert host == "127.0.0.1"
        assert address_of(bound, door) == f"http://127.0.0.1:{port}"


def test_a_taken_port_is_named_with_a_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is taken: .* choose another with --port"):
            open_door(DoorSettings(port=port))


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "a" * 300, "é" * 70, ""])
def test_a_host_that_is_not_ours_is_refused_in_one_line(host: str) -> None:
    try:
        with open_door(DoorSettings(host=host, port=0)):
            assert host == ""  # which is every interface
    except ConfigError as error:
        assert "no address of this machine" in str(error)
        assert "\n" not in str(error)


def test_a_unix_socket_is_its_owners_and_goes_with_the_server(tmp_path: Path) -> None:
    door = DoorSettings(uds=tmp_path / "octavo.sock")
    bound = open_door(door)
    assert door.uds is not None
    assert stat.S_IMODE(door.uds.stat().st_mode) == 0o600
    assert address_of(bound, door) == f"unix:{door.uds}"
    bound.listen()
    with pytest.raises(ConfigError, match="another server listens there"):
        open_door(door)
    close_door(bound, door)
    assert not door.uds.exists()


def test_a_stale_socket_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    door = DoorSettings(uds=tmp_path / "octavo.sock")
    open_door(door).close()
    close_door(open_door(door), door)
    (tmp_path / "octavo.sock").write_text("mine")
    with pytest.raises(ConfigError, match="a file of that name that is no socket"):
        open_door(door)
    assert (tmp_path / "octavo.sock").read_text() == "mine"


def test_a_path_where_no_socket_can_be_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "such", tmp_path / ("x" * 200), Path(os.devnull)):
        with pytest.raises(ConfigError, match="socket"):
            open_door(DoorSettings(uds=path))


def test_tls_needs_files_that_fit(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    with pytest.raises(ConfigError, match=r"key\.pem: no such file"):
        open_door(DoorSettings(port=0, ssl_keyfile=key, ssl_certfile=certificate))
    key.write_text("no key")
    certificate.write_text("no certificate")
    with pytest.raises(ConfigError, match="do not make a certificate with its key"):
        open_door(DoorSettings(port=0, ssl_keyfile=key, ssl_certfile=certificate))
