"""Every gate of this host; read by any thread, changed by one at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import structlog

from trustd.errors import StoreError
from trustd.gate.definition import Gate, name_of, read_gate, write_gate
from trustd.model import GuestId

log = structlog.get_logger()

RUNTIME = Path("/run/trustd-gates")
"""Where the sockets are, each in a directory that only its guest's emulator may enter."""


class Gates:
    """The gates that are defined, each in a directory of its own.

    Args:
        directory: where those are; None for no gates at all.
        runtime: where new gates have their sockets.
    """

    def __init__(self, directory: Path | None = None, runtime: Path = RUNTIME) -> None:
        self._directory = directory
        self._runtime = runtime
        self._lock = threading.Lock()
        self._known: Mapping[str, Gate] = MappingProxyType(self._read())

    @property
    def known(self) -> Mapping[str, Gate]:
        """By id; a value that later changes leave as it is."""
        return self._known

    def of(self, guest: str, target: str) -> Gate | None:
        """The gate of a guest's disk."""
        return self._known.get(f"{guest}-{target}")

    def place(self, gate: Gate) -> Path:
        """The directory that defines a gate, and has what it denies."""
        if self._directory is None:
            raise StoreError("this trustd has no place for gates")
        return self._directory / gate.id

    def socket(self, guest: GuestId, target: str) -> Path:
        """Where a guest's disk would be served.

        Raises:
            ValueError: these are no UUID and no target.
        """
        return self._runtime / name_of(guest, target) / "socket"

    def add(self, gate: Gate) -> None:
        """Define a gate.

        Raises:
            StoreError: it is not defined.
        """
        place = self.place(gate)
        with self._lock:
            if gate.id in self._known:
                raise StoreError(f"there is a gate {gate.id} already")
            try:
                place.parent.mkdir(mode=0o700, exist_ok=True)
                write_gate(gate, place)
            except OSError as error:
                raise StoreError(f"the gate {gate.id} is not defined: {error}") from error
            self._known = MappingProxyType({**self._known, gate.id: gate})

    def remove(self, gate: Gate) -> None:
        """Forget a gate, and what it denied.

        Raises:
            StoreError: it is still defined.
        """
        place = self.place(gate)
        gone = place.with_name(f".gone-{gate.id}")
        with self._lock:
            try:
                place.rename(gone)
                _clear(gone)
            except OSError as error:
                raise StoreError(f"the gate {gate.id} is not removed: {error}") from error
            self._known = MappingProxyType(
                {id_: each for id_, each in self._known.items() if id_ != gate.id}
            )

    def _read(self) -> dict[str, Gate]:
        """All that are defined; one that cannot be read costs the others nothing."""
        found: dict[str, Gate] = {}
        if self._directory is None or not self._directory.exists():
            return found
        for place in sorted(self._directory.iterdir()):
            try:
                if place.name.startswith("."):
                    _clear(place)  # half made or half removed when an earlier run was killed
                else:
                    found[place.name] = read_gate(place)
            except (StoreError, OSError) as error:
                log.error("gate.unreadable", error=str(error))  # noqa: TRY400 - foreseen
        return found


def _clear(place: Path) -> None:
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
