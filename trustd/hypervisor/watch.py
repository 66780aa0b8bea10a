"""One connection that hears of every change: it keeps the inventory and the events.

It makes only calls that never block on an emulator. Whatever happens to the
connection, it comes back: connect, register for events, and only then read the whole
inventory, so that no change falls between the two.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

import libvirt

from trustd.errors import TrustdError, Unreachable
from trustd.hypervisor.connection import Connection, translated
from trustd.hypervisor.event_queue import EventQueue
from trustd.hypervisor.events import Subscription
from trustd.hypervisor.inventory import Inventory
from trustd.hypervisor.settings import HypervisorSettings
from trustd.model import Guest, GuestEvent, GuestId

_JOIN_SECONDS = 2.0


class Watch:
    """Keeps a connection for events and the inventory, in a thread of its own.

    Args:
        settings: where to connect, how often to try, how often to read all anew.
    """

    def __init__(self, settings: HypervisorSettings) -> None:
        self._settings = settings
        self._heard = EventQueue()
        self._ready = EventQueue()
        self._inventory = Inventory()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._overflow = threading.Event()
        self._resynced = threading.Event()
        self._met = threading.Event()
        self._trouble = "not connected yet"
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty while there is one."""
        return self._trouble

    @property
    def dropped(self) -> int:
        """Events for which there was no room, since the beginning."""
        return self._heard.dropped + self._ready.dropped

    def start(self) -> None:
        """Begin to connect; returns with the first inventory, or with the reason for none.

        Without it the first tick would find no guest, and all would appear a tick later.
        A hypervisor that says nothing is waited for as long as for a sample of very many.
        """
        self._thread.start()
        self._met.wait(self._settings.longest)

    def inventory(self) -> Mapping[GuestId, Guest]:
        """Every guest, as of the last event; the last known while disconnected."""
        return self._inventory.guests

    def events(self) -> Sequence[GuestEvent]:
        """What happened since the last call, oldest first.

        An event is given out once the inventory holds what it announced.
        """
        return self._ready.take()

    def resynced(self) -> bool:
        """Whether events may have been lost since the last call."""
        if not self._resynced.is_set():
            return False
        self._resynced.clear()
        return True

    def close(self) -> None:
        """End the connection and the thread; a call under way ends with the process."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        try:
            self._stay_connected()
        finally:
            # Also after a fault of our own: a watch that ended must not look healthy.
            self._trouble = "no longer connected"

    def _stay_connected(self) -> None:
        pause = self._settings.retry_first
        while not self._stop.is_set():
            try:
                connection = Connection(self._settings, on_loss=self._wake.set)
                pause = self._settings.retry_first
                self._serve(connection)
            except TrustdError as error:
                self._trouble = str(error)
                self._met.set()
            self._stop.wait(pause)
            pause = min(pause * 2, self._settings.retry_most)

    def _serve(self, connection: Connection) -> None:
        """Stay on one connection until it is lost or no longer wanted."""
        subscription = None
        try:
            subscription = Subscription(connection.handle, self._hear)
            self._inventory.read_all(connection.handle)
            self._resynced.set()
            self._trouble = ""
            self._met.set()
            self._follow(connection)
        except libvirt.libvirtError as error:
            raise translated(error) from error
        finally:
            if subscription is not None:
                subscription.end()
            connection.close()

    def _follow(self, connection: Connection) -> None:
        due = time.monotonic() + self._settings.refresh
        while not self._stop.is_set():
            if connection.lost.is_set():
                raise Unreachable("the hypervisor closed the connection")
            if self._overflow.is_set() or time.monotonic() >= due:
                due = time.monotonic() + self._settings.refresh
                self._inventory.read_all(connection.handle)
            if self._overflow.is_set():
                self._overflow.clear()
                self._resynced.set()
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            self._give_out(connection)

    def _give_out(self, connection: Connection) -> None:
        events = self._heard.take()
        self._inventory.read(connection.handle, {event.guest for event in events})
        for event in events:
            if not self._ready.put(event):
                self._resynced.set()

    def _hear(self, event: GuestEvent) -> None:
        if not self._heard.put(event):
            self._overflow.set()
        self._wake.set()
