"""The queue that events wait in until the line fetches them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from trustd.model import GuestEvent, GuestId


class EventQueue:
    """Events between libvirt's thread and the line; bounded, also for each guest.

    A guest that makes events without end loses its own, not another's. What does not
    fit is counted, and the loss is to be told as a resynchronisation.

    Args:
        each: events of one guest that may wait.
        most: events that may wait in all.
    """

    def __init__(self, *, each: int = 256, most: int = 16384) -> None:
        self._each = each
        self._most = most
        self._lock = threading.Lock()
        self._events: list[GuestEvent] = []
        self._waiting: Counter[GuestId] = Counter()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Events that did not fit since the beginning."""
        return self._dropped

    def put(self, event: GuestEvent) -> bool:
        """Add an event; False where there was no room for it."""
        with self._lock:
            if len(self._events) >= self._most or self._waiting[event.guest] >= self._each:
                self._dropped += 1
                return False
            self._waiting[event.guest] += 1
            self._events.append(event)
            return True

    def take(self) -> Sequence[GuestEvent]:
        """Every event that waits, oldest first."""
        with self._lock:
            taken, self._events = self._events, []
            self._waiting.clear()
            return taken
