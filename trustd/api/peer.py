"""Who is at the other end of a unix socket, on the kernel's word."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from aiohttp import web

_UCRED = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """A process on this host, as it was when it connected."""

    pid: int
    uid: int
    gid: int


def peer_of(request: web.Request) -> Peer | None:
    """Who sends a request; None where the kernel does not say (TCP)."""
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport else None
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Peer(*_UCRED.unpack(raw))
