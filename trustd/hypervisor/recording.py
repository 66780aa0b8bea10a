"""The form of a recording: JSON lines, each complete in itself.

The first line is the header. A reading holds, for each guest in it, only the fields
that changed since the reading before; a guest that was not in that one is written in
full. An inventory holds the guests that changed. What is kept in memory is one
reading, however long the recording is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import orjson
from pydantic import Field, TypeAdapter

from trustd.model import Guest, GuestEvent, GuestId, GuestReading, GuestState, Reading, Stat, Stats

FORMAT = "trustd-recording"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Header:
    """The first line.

    Args:
        at: epoch seconds at which the recording began.
    """

    at: float
    format: str = FORMAT
    version: int = VERSION
    kind: Literal["header"] = "header"


@dataclass(frozen=True, slots=True)
class Change:
    """One guest's part of a reading, as the difference to its part of the one before."""

    guest: GuestId
    state: GuestState
    at: float
    clock: float
    whole: bool
    set: dict[str, Stat] = field(default_factory=dict)
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """A reading of all guests."""

    at: float
    clock: float
    error: str
    guests: tuple[Change, ...]
    kind: Literal["reading"] = "reading"


@dataclass(frozen=True, slots=True)
class EventsLine:
    """Events, oldest first."""

    events: tuple[GuestEvent, ...]
    kind: Literal["events"] = "events"


@dataclass(frozen=True, slots=True)
class InventoryLine:
    """Guests that are new or changed, and those that are gone."""

    guests: tuple[Guest, ...]
    gone: tuple[GuestId, ...]
    kind: Literal["inventory"] = "inventory"


@dataclass(frozen=True, slots=True)
class ResyncLine:
    """Events may have been lost here."""

    kind: Literal["resync"] = "resync"


Line = Header | ReadingLine | EventsLine | InventoryLine | ResyncLine
_LINES: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


def encoded(line: Line) -> bytes:
    """A line's text, with its line feed."""
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def decoded(text: bytes) -> Line:
    """The line that a text says.

    Raises:
        ValidationError: it says none.
    """
    return _LINES.validate_json(text, strict=True)


class Differences:
    """Readings as lines and back; one for each direction, fed every reading in order."""

    def __init__(self) -> None:
        self._before: Mapping[GuestId, Stats] = {}

    def shortened(self, reading: Reading) -> ReadingLine:
        """The line for the next reading."""
        changes = tuple(
            _change(self._before.get(guest, {}), part) for guest, part in reading.guests.items()
        )
        self._before = {guest: part.stats for guest, part in reading.guests.items()}
        return ReadingLine(reading.at, reading.clock, reading.error, changes)

    def restored(self, line: ReadingLine) -> Reading:
        """The reading of the next line."""
        guests = {
            change.guest: _applied(self._before.get(change.guest, {}), change)
            for change in line.guests
        }
        self._before = {guest: part.stats for guest, part in guests.items()}
        return Reading(line.at, line.clock, guests, line.error)


def _change(before: Stats, part: GuestReading) -> Change:
    after = part.stats
    return Change(
        part.guest,
        part.state,
        part.at,
        part.clock,
        part.whole,
        set={
            name: value
            for name, value in after.items()
            if name not in before
            or before[name] != value
            or type(before[name]) is not type(value)  # True is not 1 here
        },
        gone=tuple(name for name in before if name not in after),
    )


def _applied(before: Stats, change: Change) -> GuestReading:
    stats = {**before, **change.set}
    for name in change.gone:
        stats.pop(name, None)
    return GuestReading(change.guest, change.state, change.at, change.clock, stats, change.whole)
