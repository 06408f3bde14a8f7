"""The door: the socket on which a server listens, bound before anything slow begins, so a taken port costs no wait."""

import contextlib
import errno
import os
import socket
import ssl
import stat
from pathlib import Path

from octavo.errors import ConfigError
from octavo.server.settings import DoorSettings


def open_door(door: DoorSettings) -> socket.socket:
    """A bound socket that does not listen yet.

    Raises ConfigError, with the way out, for an address that cannot be had, and for keys of TLS that cannot be used.
    """
    _check_tls(door)
    return _unix(door.uds) if door.uds is not None else _tcp(door.host, door.port)


def close_door(bound: socket.socket, door: DoorSettings) -> None:
    """Closes the socket and takes a Unix socket's file away."""
    bound.close()
    if door.uds is not None:
        with contextlib.suppress(OSError):
            door.uds.unlink()


def address_of(bound: socket.socket, door: DoorSettings) -> str:
    """Where clients find it: a URL, or the path of a Unix socket."""
    if door.uds is not None:
        return f"unix:{door.uds}"
    host, port = bound.getsockname()[:2]
    # An address for all interfaces is none that a client can ask for.
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    shown = f"[{shown}]" if ":" in shown else shown
    return f"{'https' if door.ssl_keyfile else 'http'}://{shown}:{port}"


def _tcp(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"host {host!r} is no address of this machine ({error}): want 127.0.0.1 or 0.0.0.0") from None
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ConfigError(_bind_error(host, port, error)) from None
    bound.set_inheritable(False)
    return bound


def _bind_error(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken: stop what listens there, or choose another with --port (0: any free)"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} may not be opened by this user: choose one from 1024 on with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"host {host!r} is no address of this machine: want 127.0.0.1, 0.0.0.0 or one of its own"
    return f"port {port} on {host} cannot be opened ({error.strerror or error}): choose others with --host and --port"


def _unix(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        bound.bind(str(path))
        # Who reaches the folder may not, for that, use the server: a proxy runs as the same user, or is let in by hand.
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
    except OSError as error:
        bound.close()
        reason = error.strerror or str(error)
        raise ConfigError(f"{path}: no Unix socket can be opened there ({reason}): choose another path") from None
    except ConfigError:
        bound.close()
        raise
    return bound


def _remove_stale(path: Path) -> None:
    """Takes away a socket's file on which nobody listens any more; raises ConfigError for anything else."""
    if not path.exists() and not path.is_symlink():
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise ConfigError(f"{path}: there is a file of that name that is no socket: choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise ConfigError(f"{path}: another server listens there: stop it, or choose another path")
    path.unlink()


def _check_tls(door: DoorSettings) -> None:
    """Raises ConfigError for a certificate and key that do not open."""
    if door.ssl_keyfile is None or door.ssl_certfile is None:
        return
    for path in (door.ssl_keyfile, door.ssl_certfile):
        if not path.is_file():
            raise ConfigError(f"{path}: no such file: TLS needs a key and its certificate in PEM form")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(door.ssl_certfile, door.ssl_keyfile, password="")
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConfigError(
            f"{door.ssl_certfile} and {door.ssl_keyfile} do not make a certificate with its key ({reason}): "
            "want both in PEM form, the key without a password"
        ) from None
