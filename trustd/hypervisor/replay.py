"""A recording, behind the Protocol of the hypervisor that it was taken from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from trustd.errors import DocumentError, Problem
from trustd.hypervisor.recording import (
    FORMAT,
    VERSION,
    Differences,
    EventsLine,
    Header,
    InventoryLine,
    Line,
    ReadingLine,
    ResyncLine,
    decoded,
)
from trustd.model import Guest, GuestEvent, GuestId, HypervisorCondition, Reading

_LONGEST_LINE = 64 * 1024 * 1024
_ENDED = "the recording has ended"


class ReplayHypervisor:
    """Plays a recording: each sample is the next reading, with its recorded times.

    Events and inventory are those that were recorded between the readings. The file
    is read as it is played.

    Args:
        path: the recording.

    Raises:
        DocumentError: the file cannot be read or does not begin as a recording.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._differences = Differences()
        self._inventory: Mapping[GuestId, Guest] = MappingProxyType({})
        self._events: list[GuestEvent] = []
        self._resynced = False
        self._problem: Problem | None = None
        self._next: Reading | None = None
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise self._damaged(f"cannot be read: {error.strerror}", "") from error
        try:
            self._condition = HypervisorCondition(up=True, since=self._header().at)
        except DocumentError:
            self._file.close()
            raise
        self._advance()

    @property
    def ended(self) -> bool:
        """Whether the last reading was given."""
        return self._next is None

    @property
    def problem(self) -> Problem | None:
        """Why the recording ended before its end; None where it did not."""
        return self._problem

    def start(self) -> None:
        """Nothing is to be done: the file is open."""

    def sample(self) -> Reading:
        """The next recorded reading; after the last, its time and an error."""
        reading = self._next
        if reading is None:
            since = self._condition.since
            reading = Reading(since, since, error=str(self._problem or _ENDED))
        else:
            self._advance()
        up = not reading.error
        before = self._condition
        self._condition = HypervisorCondition(
            up=up,
            since=before.since if before.up == up else reading.at,
            error=reading.error,
            unresponsive=sum(not guest.whole for guest in reading.guests.values()),
        )
        return reading

    def inventory(self) -> Mapping[GuestId, Guest]:
        """Every guest that was known at this place of the recording."""
        return self._inventory

    def events(self) -> Sequence[GuestEvent]:
        """What was recorded since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def resynced(self) -> bool:
        """Whether events may have been lost, as recorded since the last call."""
        resynced, self._resynced = self._resynced, False
        return resynced

    def condition(self) -> HypervisorCondition:
        """The state of the connection at the last reading."""
        return self._condition

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _header(self) -> Header:
        line = self._read()
        if not isinstance(line, Header) or line.format != FORMAT:
            raise self._damaged("this is not a recording", "make one with trustd record FILE")
        if line.version != VERSION:
            raise self._damaged(
                f"a recording of version {line.version}; this trustd reads version {VERSION}",
                "replay it with the trustd that made it",
            )
        return line

    def _advance(self) -> None:
        """Read on to the next reading, or to the end."""
        self._next = None
        try:
            while (line := self._read()) is not None:
                if isinstance(line, ReadingLine):
                    self._next = self._differences.restored(line)
                    return
                self._note(line)
        except DocumentError as error:
            self._problem = error.problems[0]

    def _note(self, line: Line) -> None:
        match line:
            case EventsLine():
                self._events.extend(line.events)
            case InventoryLine():
                guests = {k: guest for k, guest in self._inventory.items() if k not in line.gone}
                guests.update((guest.id, guest) for guest in line.guests)
                self._inventory = MappingProxyType(guests)
            case ResyncLine():
                self._resynced = True
            case _:
                raise self._damaged("a second header", "play the joined recordings one by one")

    def _read(self) -> Line | None:
        """The next line; None at the end of the file."""
        try:
            text = self._file.readline(_LONGEST_LINE)
        except OSError as error:
            raise self._damaged(f"cannot be read: {error.strerror}", "") from error
        if not text:
            return None
        self._line += 1
        if not text.endswith(b"\n"):
            raise self._damaged(
                "the recording was cut off within this line",
                "everything before it was played; the rest is lost",
            )
        try:
            return decoded(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"][1:])
            raise self._damaged(first["msg"], "everything before it was played", place) from error

    def _damaged(self, message: str, hint: str, key: str = "") -> DocumentError:
        return DocumentError((Problem(str(self._path), self._line, 0, key, message, hint),))
