"""The state that an audit trail adds up to: its records, replayed from the first to the last.

Pure. Whoever holds an exported trail can do it without a daemon; a test holds that against the
state of one that ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

from trustd.repository.past import ACTION, BAND, OBJECT, RUN, SEEN
from trustd.repository.trail import Record, document_of

PRUNED, RESTORED = "pruned", "restored"
"""Kinds of the records that tell of older ones that are gone, and of a backup that was restored."""
LABEL, POLICY, INCIDENT = "label", "policy", "incident"
CARRIED = "carried"
"""Marks in a document what retention wrote again: it is older than where it stands."""
ORDERS = ("override", "protect", "pause")
GIVEN, GONE, APPLIED, RESOLVED = "given", "gone", "applied", "resolved"
OVER = ("restored", "ended")
"""What an action says when a device is as it was, or there was nothing to give back."""

Device = tuple[str, str]
"""A lever, and the device that it narrows."""


@dataclass(slots=True)
class Present:
    """What is so after the last record; built up record by record.

    Args:
        last: the place of the last record that was read; 0 for none.
        at: its time, epoch seconds.
        run: when the last run of the daemon began.
        policy: sha256 of the one in force.
        guests: by UUID what was told of each last: name, state, band, labels, roles ...
        objects: labels by type and identity.
        labels: those that were given at run time, by type and identity.
        orders: by kind and guest (empty for all) what was given and has not ended.
        narrowed: by guest the devices that were narrowed and not given back.
        incidents: the state of those that are not resolved, by number.
    """

    last: int = 0
    at: float = 0.0
    run: float = 0.0
    policy: str = ""
    guests: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    labels: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    orders: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    narrowed: dict[str, set[Device]] = field(default_factory=dict)
    incidents: dict[int, str] = field(default_factory=dict)


def about(record: Record) -> tuple[str, ...]:
    """What a record tells of: a later one about the same says how it is now."""
    return _about(record, document_of(record.document))


def _about(record: Record, document: Mapping[str, Any]) -> tuple[str, ...]:
    if record.kind in {OBJECT, LABEL}:
        return record.kind, str(document.get("type")), str(document.get("id"))
    if record.kind == ACTION:
        # one that failed, say, leaves the device as it is
        kind = ACTION if document.get("status") in {APPLIED, *OVER} else "attempt"
        return kind, record.guest, str(document.get("lever")), str(document.get("device"))
    if record.kind == INCIDENT:
        return INCIDENT, str(document.get("incident"))
    return record.kind, record.guest


def stands(record: Record) -> bool:
    """Whether something is so by a record, until a later one about the same says otherwise."""
    document = document_of(record.document)
    if record.kind == SEEN:
        return bool(document) and document.get("state") != GONE
    if record.kind == LABEL:
        return bool(document.get("after"))
    if record.kind in ORDERS:
        return bool(document.get("act") == GIVEN)
    if record.kind == ACTION:
        return bool(document.get("status") == APPLIED)
    if record.kind == INCIDENT:
        return bool(document) and document.get("state") != RESOLVED
    return bool(document)


def carried(record: Record) -> bool:
    """Whether retention wrote it again, because it still stands and was about to go."""
    return document_of(record.document).get(CARRIED) is True


def replayed(records: Iterable[Record], *, until: float = inf) -> Present:
    """The state after some records, from the oldest that is kept.

    What retention carried on stands behind records that are newer than it, and counts where
    nothing newer is said. A record that makes no sense tells nothing: checking the trail is
    what finds it.

    Args:
        until: epoch seconds; later records are left out.

    >>> record = Record(7, 5.0, "u", "web", "band", '{"before": "a", "after": "b"}', b"")
    >>> replayed([record]).guests
    {'u': {'name': 'web', 'band': 'b'}}
    """
    present, told = Present(), set[tuple[str, ...]]()
    for record in records:
        if record.at > until:
            continue
        take = _TAKERS.get(record.kind)
        document = document_of(record.document) if take is not None else {}
        again = document.pop(CARRIED, None) is True
        if take is not None and document:
            key = _about(record, document)
            if again and key in told:
                continue
            with suppress(KeyError, TypeError, ValueError):
                take(present, record, document)
            if not again:
                told.add(key)
                if record.kind == SEEN:  # its band too
                    told.add((BAND, record.guest))
        if not again:
            present.last, present.at = record.id, record.at
    return present


def _run(present: Present, record: Record, document: dict[str, Any]) -> None:
    present.run = record.at
    present.policy = document.get("policy") or present.policy


def _policy(present: Present, record: Record, document: dict[str, Any]) -> None:  # noqa: ARG001 - one shape for all
    present.policy = document["after"]


def _seen(present: Present, record: Record, document: dict[str, Any]) -> None:
    if document["state"] == GONE:
        present.guests.pop(record.guest, None)
    else:
        present.guests[record.guest] = {"name": record.name, **document}


def _band(present: Present, record: Record, document: dict[str, Any]) -> None:
    present.guests.setdefault(record.guest, {"name": record.name})["band"] = document["after"]


def _object(present: Present, record: Record, document: dict[str, Any]) -> None:  # noqa: ARG001 - as above
    _set(present.objects, (document["type"], document["id"]), document["labels"])


def _label(present: Present, record: Record, document: dict[str, Any]) -> None:  # noqa: ARG001 - as above
    _set(present.labels, (document["type"], document["id"]), document["after"])


def _set(
    labels: dict[tuple[str, str], Mapping[str, str]], what: tuple[str, str], now: Mapping[str, str]
) -> None:
    if now:
        labels[what] = now
    else:
        labels.pop(what, None)


def _order(present: Present, record: Record, document: dict[str, Any]) -> None:
    place = record.kind, record.guest
    if document["act"] == GIVEN:
        present.orders[place] = {"at": record.at, **document}
    else:
        present.orders.pop(place, None)


def _action(present: Present, record: Record, document: dict[str, Any]) -> None:
    device = document["lever"], document["device"]
    if document["status"] == APPLIED:
        present.narrowed.setdefault(record.guest, set()).add(device)
    elif document["status"] in OVER and record.guest in present.narrowed:
        present.narrowed[record.guest].discard(device)
        if not present.narrowed[record.guest]:
            del present.narrowed[record.guest]


def _restored(present: Present, record: Record, document: dict[str, Any]) -> None:  # noqa: ARG001 - as above
    """What was narrowed is what the repository before it knew, where that could be read."""
    if document.get("narrowed") is None:
        return
    present.narrowed = {}
    for guest, lever, device in document["narrowed"]:
        present.narrowed.setdefault(guest, set()).add((lever, device))


def _incident(present: Present, record: Record, document: dict[str, Any]) -> None:  # noqa: ARG001 - as above
    if document["state"] == RESOLVED:
        present.incidents.pop(document["incident"], None)
    else:
        present.incidents[document["incident"]] = document["state"]


_TAKERS: Mapping[str, Callable[[Present, Record, dict[str, Any]], None]] = {
    RUN: _run,
    POLICY: _policy,
    SEEN: _seen,
    BAND: _band,
    OBJECT: _object,
    LABEL: _label,
    **dict.fromkeys(ORDERS, _order),
    ACTION: _action,
    RESTORED: _restored,
    INCIDENT: _incident,
}
