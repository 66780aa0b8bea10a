"""What operators had ordered at a time, from what the journal says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import inf

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
from trustd.pipeline.overriding import with_order, without
from trustd.repository import Entry
from trustd.repository.overrides import place_of

KINDS = ("override", "protect", "pause")


def heard(orders: Orders, entry: Entry, bands: Mapping[GuestId, str]) -> Orders:
    """The orders after one more entry.

    Args:
        bands: of every guest, for a pause that keeps them.

    >>> given = Entry(10.0, "a", "web", "protect", {"act": "given", "reason": "a test",
    ...     "uid": 0, "pid": 1, "by": "ada", "seconds": 60.0})
    >>> orders = heard(Orders(), given, {})
    >>> list(orders.protections), ended(orders, 69.0) is orders, ended(orders, 70.0).protections
    (['a'], True, {})
    """
    if entry.document["act"] == "given":
        return with_order(orders, _order(entry, bands))
    place = (entry.kind, str(entry.guest))
    # one that was given since has the place
    gone = [each for each in given(orders) if place_of(each) == place and each.term.at <= entry.at]
    return without(orders, gone)


def ended(orders: Orders, at: float) -> Orders:
    """The orders that have not ended by a time; the same object where none has."""
    over = [each for each in given(orders) if each.term.over(at, at)]
    return without(orders, over) if over else orders


def begun(
    entries: Iterable[Entry],
    now: Orders,
    at: float,
    bands: Callable[[float], Mapping[GuestId, str]],
) -> Orders:
    """The orders in force at a time.

    Args:
        bands: of every guest at a time, for a pause that keeps them.
        entries: of the journal before it, oldest first.
        now: those in force at present: of one that is older than the journal only they tell.
    """
    orders, known = Orders(), set()
    for entry in entries:
        known.add((entry.kind, str(entry.guest)))
        keeps = bands(entry.at) if entry.document.get("keep") else {}
        orders = heard(orders, entry, keeps)
    for each in given(now):
        if place_of(each) not in known and each.term.at < at:
            # the past has no boot clock
            term = replace(each.term, clock=each.term.at)
            orders = with_order(orders, replace(each, term=term))
    return ended(orders, at)


def given(orders: Orders) -> list[Order]:
    """Every order."""
    pause = [] if orders.pause is None else [orders.pause]
    return [*orders.overrides.values(), *orders.protections.values(), *pause]


def _order(entry: Entry, bands: Mapping[GuestId, str]) -> Order:
    found = entry.document
    seconds = inf if found["seconds"] is None else float(found["seconds"])
    # what a term says of the boot clock is not in the journal
    term = Term(entry.at, entry.at, seconds)
    author = Author(int(found["uid"]), int(found["pid"]), str(found["by"]))
    reason = str(found["reason"])
    if entry.kind == "override":
        bound = Bound(found["bound"])
        return Override(entry.guest, str(found["band"]), bound, term, author, reason)
    if entry.kind == "protect":
        return Protection(entry.guest, term, author, reason)
    return Pause(bool(found["keep"]), term, author, reason, dict(bands))
