"""The sockets on which trustd listens."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from trustd.api.guards import names_loopback
from trustd.errors import TrustdError

_FIRST_INHERITED = 3
"""The number of the first file that systemd passes."""

_ANSWERS_WITHIN = 1.0
_BACKLOG = 128


class CannotListen(TrustdError):
    """An address cannot be served."""


def unix_socket(path: Path) -> socket.socket:
    """Listen on a unix socket, readable and writable for its owner and group.

    The socket of a daemon that died is replaced.

    Raises:
        CannotListen: another process answers there, or the path cannot be used.
    """
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        # Nobody can connect before listen(), so the mode is in force in time.
        path.chmod(0o660)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {path}: {error.strerror or error}: its directory must exist"
            " and be writable for trustd"
        ) from error
    return listener


def tcp_socket(host: str, port: int) -> socket.socket:
    """Listen on a loopback address; port 0 picks a free one.

    Raises:
        CannotListen: the address is no loopback address, or is taken.
    """
    if not names_loopback(f"[{host}]" if ":" in host else host):
        raise CannotListen(
            f"cannot listen on {host}: there is no access control over TCP, so only loopback"
            " addresses are served; put a proxy with authentication in front"
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {host} port {port}: {error.strerror or error}: choose another port"
        ) from error
    return listener


def inherited_sockets(
    environ: Mapping[str, str] = os.environ, pid: int | None = None
) -> tuple[socket.socket, ...]:
    """The sockets that systemd opened for this process; usually none.

    Args:
        pid: of this process, where another one is meant.

    Raises:
        CannotListen: what was passed is not a listening socket.
    """
    if environ.get("LISTEN_PID") != str(pid or os.getpid()):
        return ()
    count = int(environ.get("LISTEN_FDS", "0"))
    found = []
    for number in range(_FIRST_INHERITED, _FIRST_INHERITED + count):
        try:
            listener = socket.socket(fileno=number)
        except OSError as error:
            raise CannotListen(f"inherited file {number} is not a socket: {error}") from error
        listener.set_inheritable(False)
        found.append(listener)
    return tuple(found)


def remover(path: Path) -> Callable[[], None]:
    """What removes the socket that is at this path now, and never another one."""
    ours = path.lstat()

    def remove() -> None:
        with suppress(FileNotFoundError):
            if os.path.samestat(path.lstat(), ours):
                path.unlink()

    return remove


def _clear(path: Path) -> None:
    """Remove a socket on which nobody listens any more."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotListen(f"cannot look at {path}: {error.strerror or error}") from error
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"cannot listen on {path}: it exists and is not a socket")
    if _answers(path):
        raise CannotListen(f"cannot listen on {path}: another process listens there already")
    with suppress(FileNotFoundError):
        path.unlink()


def _answers(path: Path) -> bool:
    """Whether a process listens on the socket at this path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ANSWERS_WITHIN)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # Its queue is full, or it is not ours to connect to: it is in use.
            return True
    return True
