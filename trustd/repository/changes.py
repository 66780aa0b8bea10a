"""What is to be stored: one value, written in one transaction, or merged into a later one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trustd.model import GuestId
from trustd.repository.aliases import Alias, Holding, Kin, keep_holdings, keep_kin
from trustd.repository.journal import Entry, journalled
from trustd.repository.memory import EngineState, GuestMemory, keep_engine, keep_guests
from trustd.repository.reports import drop_reports


@dataclass(frozen=True, slots=True)
class Changes:
    """What one or several ticks changed.

    Args:
        engine: the whole engine; None where it was not saved. What ``guests``
            says is newer.
        entries: for the journal, oldest first.
        holdings: what guests run with.
        kin: who took over from whom.
        heard: places of reports that ``guests`` have taken in.
    """

    engine: EngineState | None = None
    guests: Mapping[GuestId, GuestMemory] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    holdings: Mapping[tuple[Alias, GuestId], Holding] = field(default_factory=dict)
    kin: tuple[Kin, ...] = ()
    heard: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(
            self.engine or self.guests or self.entries or self.holdings or self.kin or self.heard
        )

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
        holdings = dict(earlier.holdings)
        for place, held in self.holdings.items():
            first = holdings[place].first if place in holdings else held.first
            holdings[place] = replace(held, first=first)
        return Changes(
            self.engine or earlier.engine,
            guests,
            (*earlier.entries, *self.entries),
            holdings,
            (*earlier.kin, *self.kin),
            (*earlier.heard, *self.heard),
        )

    def write(self, connection: sqlite3.Connection) -> None:
        """Store everything, within a transaction that is open."""
        if self.engine is not None:
            keep_engine(connection, self.engine)
        keep_guests(connection, self.guests.values())
        keep_holdings(connection, self.holdings.values())
        keep_kin(connection, self.kin)
        drop_reports(connection, self.heard)
        journalled(connection, self.entries)
