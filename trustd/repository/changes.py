"""What is to be stored: one value, written in one transaction, or merged into a later one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trustd.model import GuestId
from trustd.repository.journal import Entry, journalled
from trustd.repository.memory import EngineState, GuestMemory, keep_engine, keep_guests


@dataclass(frozen=True, slots=True)
class Changes:
    """What one or several ticks changed.

    Args:
        engine: the whole engine; None where it was not saved. What ``guests``
            says is newer.
        entries: for the journal, oldest first.
    """

    engine: EngineState | None = None
    guests: Mapping[GuestId, GuestMemory] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.engine or self.guests or self.entries)

    def after(self, earlier: Changes) -> Changes:
        """Both in one, where ``earlier`` came first and was not stored."""
        guests = dict(earlier.guests)
        if self.engine is not None:
            for id_ in guests.keys() & self.engine.guests:
                guests[id_] = replace(guests[id_], history=None)
        for id_, now in self.guests.items():
            before = guests.get(id_)
            # the small part is renewed often; a history stays the newest until another comes
            history = now.history or (before.history if before is not None else None)
            guests[id_] = replace(now, history=history)
        return Changes(self.engine or earlier.engine, guests, (*earlier.entries, *self.entries))

    def write(self, connection: sqlite3.Connection) -> None:
        """Store everything, within a transaction that is open."""
        if self.engine is not None:
            keep_engine(connection, self.engine)
        keep_guests(connection, self.guests.values())
        journalled(connection, self.entries)
