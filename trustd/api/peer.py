"""Who is at the other end of a unix socket, on the kernel's word."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from array import array
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from aiohttp import web

_UCRED = struct.Struct("3i")
_SO_PEERGROUPS = 59
"""Of Linux; the socket module has no name for it."""
_MOST_BYTES = 1024
"""What Python reads of a socket's option at most: 256 groups."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A process on this host, as it was when it connected."""

    pid: int
    uid: int
    gid: int


_PEERS = web.AppKey("peers", WeakKeyDictionary[asyncio.Transport, Peer | None])


def prepare(app: web.Application) -> None:
    """Let an application ask the kernel once a connection, instead of once a request."""
    app[_PEERS] = WeakKeyDictionary()


def peer_of(request: web.Request) -> Peer | None:
    """Who sends a request; None where the kernel does not say (TCP)."""
    transport, known = request.transport, request.app.get(_PEERS)
    if transport is None or known is None:
        return _told(request)
    # the kernel keeps to what it said when they connected, and asking it takes as long as a
    # decision
    try:
        return known[transport]
    except KeyError:
        peer = known[transport] = _told(request)
        return peer


def _told(request: web.Request) -> Peer | None:
    """The kernel's word."""
    connection = _unix(request)
    if connection is None:
        return None
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Peer(*_UCRED.unpack(raw))


def groups_of(request: web.Request) -> frozenset[int]:
    """Every group of whoever sends a request; none where the kernel does not say.

    Somebody in more groups than can be read is in none but the first.
    """
    connection, peer = _unix(request), peer_of(request)
    if connection is None or peer is None:
        return frozenset()
    groups = array("I", (peer.gid,))
    try:
        groups.frombytes(connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES))
    except OSError as error:
        if error.errno != errno.ERANGE:
            raise
    return frozenset(groups)


def _unix(request: web.Request) -> socket.socket | None:
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport else None
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    return connection  # type: ignore[no-any-return]  # a socket, by the check above
