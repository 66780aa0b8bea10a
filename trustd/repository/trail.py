"""The chain that makes the journal an audit trail: every record's hash covers the one before.

Pure. Whoever has a trail as JSON lines and its anchors can check it without a daemon.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

MOST_FAULTS = 20
"""Faults that are told one by one; a trail with more was not merely touched."""


class Record(NamedTuple):
    """One record of the trail, as it is stored.

    Args:
        id: its place; there are no gaps.
        at: epoch seconds.
        document: JSON, byte for byte as it was hashed.
        hash: over the hash before it and all of the above.
    """

    id: int
    at: float
    guest: str
    name: str
    kind: str
    document: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class Start:
    """Where what is kept of a trail begins.

    Args:
        trail: the trail's own name: random, and never another's.
        first: the place of the oldest record that is kept, or of the next one.
        before: the hash that the oldest record's covers.
    """

    trail: str
    first: int
    before: bytes


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place of the trail, signed when it was the newest and kept elsewhere.

    Args:
        hash: of the record at that place, hexadecimal.
        at: epoch seconds at which it was signed.
        key: the signing key's public half, base64.
        signature: over all of the above, base64.
    """

    trail: str
    id: int
    hash: str
    at: float
    key: str
    signature: str = ""

    def signed_part(self) -> bytes:
        """The bytes that the signature covers."""
        fields = [self.trail, self.id, self.hash, self.at, self.key]
        return orjson.dumps(["trustd-anchor-1", *fields])


@dataclass(frozen=True, slots=True)
class Fault:
    """One place at which a trail is not what was written.

    Args:
        id: the record's place.
    """

    id: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of a trail found.

    Args:
        records: how many were read.
        last: the place of the last one; one less than the start's where there is none.
        hash: the last record's.
        anchors: how many anchors fitted.
        faults: the first of them, in the order of the trail.
    """

    records: int
    last: int
    hash: bytes
    anchors: int
    faults: Sequence[Fault]


def document_of(text: str) -> dict[str, Any]:
    """What a record says; nothing where that is no document: the check of the trail finds it.

    >>> document_of('{"after": "a"}'), document_of("{{"), document_of("[]")
    ({'after': 'a'}, {}, {})
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def linked(before: bytes, record: Record) -> bytes:
    """The hash of a record after another one; the record's own hash is not looked at.

    >>> record = Record(1, 0.0, "", "", "label", "{}", b"")
    >>> linked(bytes(32), record).hex()[:16]
    '6019ce9e83895720'
    """
    fields = [record.id, record.at, record.guest, record.name, record.kind, record.document]
    return hashlib.sha256(before + orjson.dumps(fields)).digest()


def verified(records: Iterable[Record], start: Start, anchors: Sequence[Anchor] = ()) -> Verdict:
    """Check a trail from its start to its end.

    Args:
        records: as they are stored, oldest first.
        anchors: whose signatures are good.
    """
    due = {anchor.id: anchor for anchor in anchors if anchor.trail == start.trail}
    foreign = sorted({anchor.trail for anchor in anchors} - {start.trail})
    faults = [Fault(start.first, f"an anchor is of another trail, {each}") for each in foreign]
    fitted = count = 0
    expected, before = start.first, start.before
    for record in records:
        count += 1
        fault = _broken(record, expected, before)
        anchor = due.pop(record.id, None)
        if anchor is not None and anchor.hash == record.hash.hex():
            fitted += 1
        elif anchor is not None:
            fault = fault or f"it was rewritten: the anchor of {anchor.at:.0f} has another hash"
        if fault:
            faults.append(Fault(min(record.id, expected), fault))
        # what comes after is checked against what stands there, so that one fault is one fault
        expected, before = record.id + 1, record.hash
    for anchor in due.values():
        if anchor.id >= expected:
            cut = f"{_missing(expected, anchor.id)}: an anchor of {anchor.at:.0f} tells of them"
            faults.append(Fault(expected, cut))
    return Verdict(count, expected - 1, before, fitted, tuple(faults[:MOST_FAULTS]))


def _broken(record: Record, expected: int, before: bytes) -> str:
    """What is wrong with a record after the one before it; empty where nothing is."""
    if record.id > expected:
        return _missing(expected, record.id - 1)
    if record.id < expected:
        return "it stands after a later one"
    if linked(before, record) != record.hash:
        return "it is not what was written there"
    return ""


def _missing(first: int, last: int) -> str:
    return (
        f"record {first} is missing" if first == last else f"records {first} to {last} are missing"
    )
