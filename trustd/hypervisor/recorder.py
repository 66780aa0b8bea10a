"""A door that writes down what passes through it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from trustd.errors import StoreError
from trustd.hypervisor.recording import (
    Differences,
    EventsLine,
    Header,
    InventoryLine,
    Line,
    ResyncLine,
    encoded,
)
from trustd.model import Guest, GuestEvent, GuestId, HypervisorCondition, Reading
from trustd.spi import Hypervisor

_OWNER_ONLY = 0o600


class Recorder:
    """Passes everything on from another door and keeps it in a file.

    Each line is handed to the system when it is complete, so that a recording that is
    killed loses its last line at most. Names, paths and labels of guests are in it: only
    its owner may read it.

    Args:
        door: what to record; closed together with the recorder.
        path: a file that does not exist yet.
        at: epoch seconds, for the header.

    Raises:
        StoreError: the file cannot be made or, later, written.
    """

    def __init__(self, door: Hypervisor, path: Path, *, at: float) -> None:
        self._door = door
        self._path = path
        self._differences = Differences()
        self._inventory: Mapping[GuestId, Guest] = {}
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        except FileExistsError as error:
            raise StoreError(
                f"{path}: exists already; a recording is never overwritten, name another file"
            ) from error
        except OSError as error:
            raise StoreError(f"{path}: cannot be made: {error.strerror}") from error
        self._write(Header(at))

    def start(self) -> None:
        """Begin to connect; returns soon, also where nothing answers yet."""
        self._door.start()

    def sample(self) -> Reading:
        """Read all guests, and keep it."""
        reading = self._door.sample()
        self._write(self._differences.shortened(reading))
        return reading

    def inventory(self) -> Mapping[GuestId, Guest]:
        """Every guest that is known now; what changed is kept."""
        present, before = self._door.inventory(), self._inventory
        if present is not before:
            changed = tuple(
                guest for number, guest in present.items() if before.get(number) != guest
            )
            gone = tuple(number for number in before if number not in present)
            if changed or gone:
                self._write(InventoryLine(changed, gone))
            self._inventory = present
        return present

    def events(self) -> Sequence[GuestEvent]:
        """What happened since the last call, oldest first; it is kept."""
        events = self._door.events()
        if events:
            self._write(EventsLine(tuple(events)))
        return events

    def resynced(self) -> bool:
        """Whether events may have been lost since the last call; it is kept."""
        resynced = self._door.resynced()
        if resynced:
            self._write(ResyncLine())
        return resynced

    def condition(self) -> HypervisorCondition:
        """The state of the connection."""
        return self._door.condition()

    def close(self) -> None:
        """Close the file and the door."""
        self._door.close()
        os.close(self._file)

    def _write(self, line: Line) -> None:
        left = memoryview(encoded(line))
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error.strerror}") from error
