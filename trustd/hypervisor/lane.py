"""Calls into libvirt that can be given up: one thread and one connection each.

A call into an emulator that does not answer comes back when the emulator does, or
never, and no call can be cancelled. So each runs on a lane, a thread with its own
connection; who waits may stop waiting and take another lane. A connection with a
call under way is never closed, since libvirt does not survive that: the lane closes
it itself once the call came back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

import libvirt

from trustd.errors import Unreachable
from trustd.hypervisor.connection import Connection, is_lost, translated
from trustd.hypervisor.settings import HypervisorSettings

T = TypeVar("T")
Ask = Callable[[libvirt.virConnect], T]

_JOIN_SECONDS = 2.0


class Lane:
    """One thread with one connection, which it opens when it first needs it.

    Args:
        settings: where to connect.
        writable: whether the connection may change guests.
        name: the thread's name.
    """

    def __init__(self, settings: HypervisorSettings, *, writable: bool, name: str) -> None:
        self._settings = settings
        self._writable = writable
        self._connection: Connection | None = None
        self._work: SimpleQueue[tuple[Future[Any], Ask[Any]] | None] = SimpleQueue()
        self._last: Future[Any] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._last is not None and not self._last.done()

    def submit(self, ask: Ask[T]) -> Future[T]:
        """Call ``ask`` with the connection, on the lane's thread.

        ``ask`` returns plain values: a libvirt object that it returned would keep the
        connection open. The future fails with an error of trustd's tree.
        """
        future: Future[T] = Future()
        self._last = future
        self._work.put((future, ask))
        return future

    def close(self) -> None:
        """Let the thread end after the call that is under way."""
        self._work.put(None)

    def join(self) -> None:
        """Wait for the thread's end, unless a call holds it."""
        if not self.busy:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            self._serve(*work)
            del work
        self._hang_up()

    def _serve(self, future: Future[T], ask: Ask[T]) -> None:
        try:
            result = ask(self._connected())
        except libvirt.libvirtError as error:
            if is_lost(error):
                self._hang_up()
            future.set_exception(translated(error))
        except Exception as error:  # noqa: BLE001 - the future carries what the call raised
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            # The error's traceback holds this frame: without this, a cycle, and with
            # it the connection, would stay until the next garbage collection.
            del future

    def _connected(self) -> libvirt.virConnect:
        if self._connection is not None and self._connection.lost.is_set():
            self._hang_up()
        if self._connection is None:
            self._connection = Connection(self._settings, writable=self._writable)
        return self._connection.handle

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Lanes:
    """As many lanes as are needed, up to a limit; safe to use from any thread.

    Args:
        settings: where to connect; ``calls`` is the limit.
        writable: whether the connections may change guests.
        name: what the threads' names begin with.
    """

    _KEPT = 2

    def __init__(self, settings: HypervisorSettings, *, writable: bool, name: str) -> None:
        self._settings = settings
        self._writable = writable
        self._name = name
        self._lanes: list[Lane] = []
        self._lock = threading.Lock()
        self._opened = 0
        self._closed = False

    @property
    def busy(self) -> int:
        """Calls that have not come back."""
        with self._lock:
            return sum(lane.busy for lane in self._lanes)

    def submit(self, ask: Ask[T]) -> Future[T] | None:
        """Call ``ask`` on a free lane; None where every lane has a call under way.

        Raises:
            Unreachable: the lanes are closed.
        """
        with self._lock:
            if self._closed:
                raise Unreachable("the connection is closed")
            lane = self._free()
            return None if lane is None else lane.submit(ask)

    def close(self) -> None:
        """Close every lane; one whose call does not come back ends with the process."""
        with self._lock:
            self._closed = True
            lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.close()
        for lane in lanes:
            lane.join()

    def _free(self) -> Lane | None:
        idle = [lane for lane in self._lanes if not lane.busy]
        for extra in idle[self._KEPT :]:
            self._lanes.remove(extra)
            extra.close()
        if idle:
            return idle[0]
        if len(self._lanes) >= self._settings.calls:
            return None
        self._opened += 1
        lane = Lane(self._settings, writable=self._writable, name=f"{self._name}-{self._opened}")
        self._lanes.append(lane)
        return lane
