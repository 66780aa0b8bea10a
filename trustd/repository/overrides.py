"""Operators' orders on disk: each change with its line in the journal, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import Future
from math import inf, isinf
from pathlib import Path
from typing import Any

import orjson

from trustd.errors import StoreError
from trustd.model import (
    Author,
    Bound,
    GuestId,
    Order,
    Orders,
    Override,
    Pause,
    Protection,
    Term,
)
from trustd.repository.database import Database
from trustd.repository.journal import Entry, journalled

Place = tuple[str, str]
"""A kind (``override``, ``protect``, ``pause``) and a guest, empty for all."""

WITHIN = 2.0
"""Seconds for which a change waits for the disk."""


class OrderStore:
    """Keeps the orders in force."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, order: Order, entry: Entry) -> None:
        """Keep an order instead of the one of its kind on the same guest.

        Raises:
            Unsettled: it may be on the disk, or not.
            StoreError: it is not on the disk.
        """
        kind, guest = place_of(order)
        document = orjson.dumps(_document(order)).decode()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO operator_order VALUES (?, ?, ?)", (kind, guest, document)
            )
            journalled(connection, (entry,))

        self._wait(work)

    def take(self, place: Place, entry: Entry) -> None:
        """Drop an order.

        Raises:
            StoreError: as with :meth:`give`.
        """
        self._wait(_dropping((place,), (entry,)))

    def note(self, entry: Entry) -> None:
        """Journal what an operator did that leaves no order behind.

        Raises:
            StoreError: as with :meth:`give`.
        """
        self._wait(_dropping((), (entry,)))

    def end(self, places: Collection[Place], entries: Collection[Entry]) -> Future[None]:
        """Drop orders that have ended, without waiting for the disk."""
        return self._database.submit(_dropping(tuple(places), tuple(entries)))

    def all(self) -> Orders:
        """Every order that was given and not dropped.

        Raises:
            StoreError: they cannot be read.
        """
        with self._database.reading() as connection:
            return orders_in(connection, self._database.path)

    def _wait(self, work: Callable[[sqlite3.Connection], None]) -> None:
        self._database.write(work, deadline=WITHIN)


def orders_in(connection: sqlite3.Connection, path: Path) -> Orders:
    """Every order in a repository.

    Raises:
        StoreError: one of them is not what trustd wrote.
    """
    rows = connection.execute("SELECT kind, guest, document FROM operator_order").fetchall()
    overrides: dict[GuestId, Override] = {}
    protections: dict[GuestId, Protection] = {}
    pause = None
    for kind, guest, text in rows:
        try:
            order = _order(kind, GuestId(guest), orjson.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path}: an order in it is not what trustd wrote: {error!r}"
            ) from error
        if isinstance(order, Override):
            overrides[order.guest] = order
        elif isinstance(order, Protection):
            protections[order.guest] = order
        else:
            pause = order
    return Orders(overrides, protections, pause)


def place_of(order: Order) -> Place:
    """Where an order is kept: one of a kind and guest at a time."""
    if isinstance(order, Override):
        return "override", order.guest
    if isinstance(order, Protection):
        return "protect", order.guest
    return "pause", ""


def _dropping(
    places: Collection[Place], entries: Collection[Entry]
) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.executemany("DELETE FROM operator_order WHERE kind = ? AND guest = ?", places)
        journalled(connection, entries)

    return work


def _document(order: Order) -> dict[str, Any]:
    term, author = order.term, order.author
    document: dict[str, Any] = {
        "at": term.at,
        "clock": term.clock,
        "seconds": None if isinf(term.seconds) else term.seconds,
        "uid": author.uid,
        "pid": author.pid,
        "name": author.name,
        "reason": order.reason,
    }
    if isinstance(order, Override):
        document |= {"band": order.band, "bound": order.bound}
    elif isinstance(order, Pause):
        document |= {"keep": order.keep, "bands": dict(order.bands)}
    return document


def _order(kind: str, guest: GuestId, found: dict[str, Any]) -> Order:
    seconds = inf if found["seconds"] is None else float(found["seconds"])
    term = Term(float(found["at"]), float(found["clock"]), seconds)
    author = Author(int(found["uid"]), int(found["pid"]), str(found["name"]))
    reason = str(found["reason"])
    if kind == "override":
        return Override(guest, str(found["band"]), Bound(found["bound"]), term, author, reason)
    if kind == "protect":
        return Protection(guest, term, author, reason)
    if kind == "pause":
        bands = {GuestId(id_): str(band) for id_, band in found["bands"].items()}
        return Pause(bool(found["keep"]), term, author, reason, bands)
    raise ValueError(kind)
