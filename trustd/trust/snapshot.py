"""The whole engine as bytes: a checked header of plain values, then raw columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trustd.errors import StoreError
from trustd.model import FeatureSpec, GuestId
from trustd.trust import plain
from trustd.trust.columns import Column, Table
from trustd.trust.fastlane import FastLane
from trustd.trust.roster import Roster
from trustd.trust.settings import Settings
from trustd.trust.windows import Clock

MAGIC = b"trustd-engine\n"
VERSION = 1
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Moment:
    """Where an engine stands.

    Args:
        clock: its own clock.
        at: epoch seconds of the last step; None before the first.
        window: the window that is being gathered.
    """

    settings: Settings
    clock: float
    at: float | None
    window: Clock


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot holds.

    Args:
        rest: behaviours, findings and envelopes as plain values.
    """

    features: tuple[FeatureSpec, ...]
    guests: tuple[GuestId, ...]
    moment: Moment
    table: Table
    rest: Mapping[str, Any]


def pack(roster: Roster, lane: FastLane, moment: Moment) -> bytes:
    """An engine as bytes."""
    table = roster.table
    header = {
        "version": VERSION,
        "features": [plain.feature(each) for each in roster.features],
        "guests": list(roster),
        "settings": plain.settings(moment.settings),
        "clock": moment.clock,
        "at": moment.at,
        "window": plain.clock(moment.window),
        "labels": table.labels,
        "columns": [
            [name, column.per, column.depth, table[name].dtype.str]
            for name, column in table.schema.items()
        ],
        "behaviours": [plain.behaviour(roster.behaviour(guest)) for guest in roster],
        "findings": [
            plain.open_finding(each, 0.0) for guest in roster for each in lane.ledger.of(guest)
        ],
        "envelopes": [
            [guest, plain.envelope(envelope), *counts]
            for (guest, envelope), counts in lane.envelopes.counts().items()
        ],
    }
    text = json.dumps(header, allow_nan=False).encode()
    body = len(text).to_bytes(8, "little") + text
    body += b"".join(np.ascontiguousarray(table[name]).tobytes() for name in table)
    return MAGIC + hashlib.sha256(body).digest() + body


def unpack(data: bytes) -> Snapshot:
    """Read what :func:`pack` wrote.

    Raises:
        StoreError: the bytes are damaged, or of a version that is not known.
    """
    start = len(MAGIC) + _DIGEST
    body = data[start:]
    if data[: len(MAGIC)] != MAGIC:
        raise StoreError("this is no saved state of the scoring; begin without it")
    if hashlib.sha256(body).digest() != data[len(MAGIC) : start]:
        raise StoreError("the saved state of the scoring is damaged; begin without it")
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + size])
    if header["version"] != VERSION:
        raise StoreError(
            f"the saved state of the scoring has version {header['version']}, this is"
            f" {VERSION}; convert it with the release that wrote it, or begin without it"
        )
    moment = Moment(
        plain.as_settings(header["settings"]),
        header["clock"],
        header["at"],
        plain.as_clock(header["window"]),
    )
    features = tuple(plain.as_feature(each) for each in header["features"])
    guests = tuple(GuestId(each) for each in header["guests"])
    table = _table(header["columns"], header["labels"], len(guests), body[8 + size :])
    return Snapshot(features, guests, moment, table, header)


def fill(saved: Snapshot, roster: Roster, lane: FastLane) -> None:
    """Write a snapshot into a roster and lane that hold the same guests anew."""
    for family in saved.table.labels["family"]:
        roster.family(family)
    roster.table.take(saved.table)
    for guest, terms in zip(saved.guests, saved.rest["behaviours"], strict=True):
        roster.behave(guest, plain.as_behaviour(terms))
    for each in saved.rest["findings"]:
        guest = GuestId(each["guest"])
        lane.enter(guest, [plain.as_open_finding(each, guest, 0.0)])
    lane.envelopes.recall(
        {
            (GuestId(guest), plain.as_envelope(envelope)): (over, silent, is_open)
            for guest, envelope, over, silent, is_open in saved.rest["envelopes"]
        }
    )
    lane.rearrange()


def _table(
    columns: Sequence[Sequence[Any]], labels: Mapping[Any, Sequence[str]], rows: int, raw: bytes
) -> Table:
    schema = {name: Column(per, depth, dtype=dtype) for name, per, depth, dtype in columns}
    table = Table(schema, labels)
    table.add(rows)
    offset = 0
    for name in table:
        held = table[name]
        held[...] = np.frombuffer(raw, held.dtype, held.size, offset).reshape(held.shape)
        offset += held.nbytes
    return table
