"""Serves the API for as long as a context is open."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from trustd.api.application import Mount, application
from trustd.api.listeners import remover, tcp_socket, unix_socket
from trustd.api.live import Live
from trustd.api.office import Office
from trustd.api.pace import Pace

_MOST_CONNECTIONS = 256
_IDLE = 30.0
"""Seconds that a connection may wait before its next request, the first included."""
_GRACE = 2.0
"""Seconds that requests in progress have at the end."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the API is served.

    Args:
        socket_path: None where it is on no unix socket.
        tcp: host and port; None where it is not on TCP.
    """

    socket_path: Path | None
    tcp: tuple[str, int] | None


@asynccontextmanager
async def serve(
    live: Live,
    socket_path: Path | None,
    tcp: tuple[str, int] | None,
    *,
    inherited: Sequence[socket.socket] = (),
    office: Office | None = None,
    mounts: Sequence[Mount] = (),
    pace: Pace | None = None,
) -> AsyncIterator[Listening]:
    """Serve the API, on the unix socket in full and on TCP without changes.

    Args:
        live: what is served.
        socket_path: None for no unix socket.
        tcp: loopback host and port, 0 for any free one; None for no TCP.
        inherited: sockets that listen already; one of a kind that is also asked
            for takes its place.
        office: who answers what may be done; None where nobody does.
        mounts: what is served beside the API.
        pace: how fast is answered; None for however fast.

    Raises:
        CannotListen: an address cannot be served.
    """
    async with AsyncExitStack() as stack:
        by_unix = next((one for one in inherited if one.family == socket.AF_UNIX), None)
        by_tcp = next((one for one in inherited if one.family != socket.AF_UNIX), None)
        for passed in inherited:
            stack.callback(passed.close)
        if by_unix is None and socket_path is not None:
            by_unix = unix_socket(socket_path)
            stack.callback(remover(socket_path))
            stack.callback(by_unix.close)
        if by_tcp is None and tcp is not None:
            by_tcp = tcp_socket(*tcp)
            stack.callback(by_tcp.close)
        for listener, loopback in ((by_unix, False), (by_tcp, True)):
            if listener is not None:
                app = application(live, loopback=loopback, office=office, mounts=mounts, pace=pace)
                await stack.enter_async_context(_serving(app, listener))
        # Streams end first: a request in progress is waited for.
        stack.callback(live.hub.close)
        yield Listening(
            socket_path=Path(by_unix.getsockname()) if by_unix else None,
            tcp=by_tcp.getsockname()[:2] if by_tcp else None,
        )


@asynccontextmanager
async def _serving(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """Serve one socket."""
    runner = web.AppRunner(
        app,
        access_log=None,
        # It would only tell of malformed requests, with a traceback for each: a
        # way to fill the journal. Faults of ours are logged where they are caught.
        logger=logging.Logger("trustd.api.http", logging.CRITICAL),  # noqa: LOG001 - ours alone
        handle_signals=False,
        handler_cancellation=True,
        keepalive_timeout=_IDLE,
        shutdown_timeout=_GRACE,
    )
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - set up above
    gate = _gate(runner.server)
    loop = asyncio.get_running_loop()
    if listener.family == socket.AF_UNIX:
        server = await loop.create_unix_server(gate, sock=listener)
    else:
        server = await loop.create_server(gate, sock=listener)
    try:
        yield
    finally:
        server.close()
        await runner.cleanup()


class _Refusal(asyncio.Protocol):
    """Hangs up at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream server
        transport.abort()


def _gate(server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
    """Lets in so many connections that the daemon keeps files for its own work."""

    def admit() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < _MOST_CONNECTIONS else _Refusal()

    return admit
