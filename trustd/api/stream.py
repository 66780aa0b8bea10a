"""Server-sent events: one message a tick to every reader that keeps up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from itertools import dropwhile, islice
from typing import NamedTuple

import orjson

from trustd.api.incident_shapes import IncidentEvents
from trustd.api.problems import RequestProblem
from trustd.api.shapes import TickEvent
from trustd.metrics import Meters

KEEPALIVE = b": keepalive\n\n"
_MOST_STREAMS = 64
_MOST_WAITING = 64
_BACKLOG_EVENTS = 256
_BACKLOG_BYTES = 4 << 20


class Stream:
    """One reader's messages. What it may leave unread is bounded.

    Args:
        backlog: messages to begin with.
        abort: breaks the reader's connection, also while a write to it blocks.
        local: whether it came over the unix socket.
    """

    def __init__(
        self, backlog: list[bytes], abort: Callable[[], None], *, local: bool = True
    ) -> None:
        self._backlog = backlog
        self.local = local
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING)
        self.abort = abort

    def offer(self, message: bytes | None) -> bool:
        """Add a message, or the end (None); False where the reader lags too far."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    async def messages(self, keepalive: float) -> AsyncIterator[bytes]:
        """Every message until the end, and a comment after ``keepalive`` seconds of silence."""
        for message in self._backlog:
            yield message
        while True:
            try:
                async with asyncio.timeout(keepalive):
                    waiting = await self._waiting.get()
            except TimeoutError:
                yield KEEPALIVE
                continue
            if waiting is None:
                return
            yield waiting


class _Sent(NamedTuple):
    """A message that was sent.

    Args:
        private: whether it is for readers over the unix socket only.
    """

    identity: str
    message: bytes
    private: bool = False


class Hub:
    """Gives every reader every tick's message, and those on the socket incidents' too.

    Belongs to the loop.

    Args:
        run: tells this run of the daemon from others, in the messages' identities.
        meters: where readers are counted.
    """

    def __init__(self, run: str, meters: Meters) -> None:
        self._run = run
        self._meters = meters
        self._streams: set[Stream] = set()
        self._incidents = 0
        self._backlog: deque[_Sent] = deque(maxlen=_BACKLOG_EVENTS)

    def __len__(self) -> int:
        return len(self._streams)

    def publish(self, event: TickEvent) -> None:
        """Send one tick's message; a reader that lags loses its connection.

        It may come back with the identity of the last message that it saw.
        """
        self._send(f"{self._run}-{event.tick}", "tick", orjson.dumps(event))

    def tell(self, events: IncidentEvents) -> None:
        """Send what became of incidents, to readers over the unix socket only."""
        self._incidents += 1
        identity = f"{self._run}-incidents-{self._incidents}"
        self._send(identity, "incidents", orjson.dumps(events), private=True)

    def _send(self, identity: str, kind: str, data: bytes, *, private: bool = False) -> None:
        message = b"id: %s\nevent: %s\ndata: %s\n\n" % (identity.encode(), kind.encode(), data)
        self._backlog.append(_Sent(identity, message, private))
        while (
            len(self._backlog) > 1
            and sum(len(kept.message) for kept in self._backlog) > _BACKLOG_BYTES
        ):
            self._backlog.popleft()
        for stream in tuple(self._streams):
            if private and not stream.local:
                continue
            if not stream.offer(message):
                self._streams.discard(stream)
                self._meters.streams_dropped.inc()
                stream.abort()

    @contextmanager
    def open(
        self, last: str | None, abort: Callable[[], None], *, local: bool = True
    ) -> Iterator[Stream]:
        """Add a reader.

        Args:
            last: the identity of the last message that it saw; None for a new one.
            abort: breaks its connection.
            local: whether it came over the unix socket. Readers there and on TCP
                are counted apart: anybody can open streams on TCP.

        Raises:
            RequestProblem: there are too many readers.
        """
        if sum(each.local is local for each in self._streams) >= _MOST_STREAMS:
            raise RequestProblem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{_MOST_STREAMS} event streams are open already: close one, or ask again later",
                {"Retry-After": "10"},
            )
        stream = Stream(self._since(last, local=local), abort, local=local)
        self._streams.add(stream)
        self._meters.streams.set(len(self._streams))
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            self._meters.streams.set(len(self._streams))

    def close(self) -> None:
        """End every stream in order."""
        for stream in self._streams:
            if not stream.offer(None):
                stream.abort()

    def _since(self, last: str | None, *, local: bool) -> list[bytes]:
        """What a reader begins with.

        What came after the message it saw; or, where that is not known, word that
        it must read everything anew. A new reader gets the last tick's message.
        """
        ticks = (kept.message for kept in reversed(self._backlog) if not kept.private)
        newest = list(islice(ticks, 1))
        if last is None:
            return newest
        if any(kept.identity == last for kept in self._backlog):
            missed = islice(dropwhile(lambda kept: kept.identity != last, self._backlog), 1, None)
            return [kept.message for kept in missed if local or not kept.private]
        return [
            b'event: reset\ndata: {"reason":"the last event seen is not kept any more"}\n\n',
            *newest,
        ]
