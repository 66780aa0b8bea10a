"""What the hypervisor answers, and rates from two consecutive answers.

A tick works on columns: a :class:`ReplyTable` has one row a guest, and a
collector turns two of them into :class:`Columns` for the whole fleet at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from trustd.model.features import GapReason
from trustd.model.guest import GuestId, GuestState

FloatArray = NDArray[np.float64]
GapArray = NDArray[np.int8]
Stat = int | str | bool | float
Stats = Mapping[str, Stat]


class StatGroup(IntFlag):
    """Groups of the hypervisor's bulk statistics; the values are libvirt's."""

    STATE = 1
    CPU_TOTAL = 2
    BALLOON = 4
    VCPU = 8
    INTERFACE = 16
    BLOCK = 32


@dataclass(frozen=True, slots=True)
class GuestReading:
    """One guest's part of a reading.

    Args:
        at: epoch seconds, read before the call that brought the statistics.
        clock: the same moment on a clock that never steps, in seconds.
        stats: libvirt's fields by name. A field that is absent is not zero.
        whole: False where the emulator did not answer and the statistics are
            those that can be had without it.
    """

    guest: GuestId
    state: GuestState
    at: float
    clock: float
    stats: Stats
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """All guests at one tick.

    Args:
        at: epoch seconds, read before the first call.
        clock: the same moment on a clock that never steps, in seconds.
        guests: by UUID; empty while the hypervisor cannot be reached.
        error: why it cannot be reached; empty while it can.
    """

    at: float
    clock: float
    guests: Mapping[GuestId, GuestReading] = field(default_factory=dict)
    error: str = ""


class ReplyTable:
    """The statistics of some guests as columns, a row a guest.

    Columns are made when they are first asked for, and kept.

    Args:
        rows: one mapping of fields a guest; an empty one where there is none.
    """

    __slots__ = ("_columns", "_devices", "rows")

    def __init__(self, rows: Sequence[Stats]) -> None:
        self.rows = rows
        self._columns: dict[str, FloatArray] = {}
        self._devices: dict[str, DeviceTable] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> FloatArray:
        """A field of every guest, shape (guests,); NaN where it is absent."""
        found = self._columns.get(name)
        if found is None:
            nan = np.nan
            found = np.array([row.get(name, nan) for row in self.rows], dtype=np.float64)
            self._columns[name] = found
        return found

    def devices(self, prefix: str) -> DeviceTable:
        """The devices of one kind, ``net``, ``block`` or ``vcpu``, of all guests."""
        found = self._devices.get(prefix)
        if found is None:
            found = self._devices[prefix] = DeviceTable(self.rows, prefix)
        return found


class DeviceTable:
    """Indexed statistics (``net.0.rx.bytes`` ...) as columns, a row a device.

    A device is known by the name that the hypervisor gives it, because indices
    move when another device is unplugged; one without a name (a passed-through
    NIC) is known by its index.

    Attributes:
        owner: the guest's row of each device, shape (devices,).
        keys: (guest row, device name) of each device.
    """

    __slots__ = ("_columns", "_places", "_prefix", "_rows", "keys", "owner")

    def __init__(self, rows: Sequence[Stats], prefix: str) -> None:
        self._rows = rows
        self._prefix = prefix
        self._columns: dict[str, FloatArray] = {}
        owner: list[int] = []
        keys: list[tuple[int, str]] = []
        places: list[str] = []
        for row, stats in enumerate(rows):
            for index in _indices(stats, prefix):
                owner.append(row)
                keys.append((row, str(stats.get(f"{prefix}.{index}.name") or index)))
                places.append(f"{prefix}.{index}.")
        self.owner = np.array(owner, dtype=np.intp)
        self.keys = tuple(keys)
        self._places = places

    def column(self, name: str) -> FloatArray:
        """A field of every device, shape (devices,); NaN where it is absent."""
        found = self._columns.get(name)
        if found is None:
            nan, rows = np.nan, self._rows
            found = np.array(
                [
                    rows[owner].get(place + name, nan)
                    for (owner, _), place in zip(self.keys, self._places, strict=True)
                ],
                dtype=np.float64,
            )
            self._columns[name] = found
        return found


def _indices(stats: Stats, prefix: str) -> Sequence[int]:
    """The indices of a guest's devices; vCPUs may have holes and no names."""
    count = stats.get(f"{prefix}.count", stats.get(f"{prefix}.maximum", 0))
    if not isinstance(count, int) or not 0 <= count <= _MOST_DEVICES:
        return ()
    return range(count)


_MOST_DEVICES = 4096
"""Far above what QEMU allows; a larger count is not believed."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a collector gives for the fleet: numbers, and reasons where none is.

    Args:
        values: shape (guests, features); NaN exactly where ``gaps`` is not 0.
        gaps: shape (guests, features), codes of :class:`GapReason`.
    """

    values: FloatArray
    gaps: GapArray

    @classmethod
    def stack(cls, parts: Sequence[Columns]) -> Columns:
        """Columns side by side; each part has one or more features."""
        return cls(
            np.concatenate([part.values for part in parts], axis=1),
            np.concatenate([part.gaps for part in parts], axis=1),
        )

    @classmethod
    def missing(cls, guests: int, features: int, reason: GapReason) -> Columns:
        """No numbers at all, for one reason."""
        return cls(
            np.full((guests, features), np.nan),
            np.full((guests, features), reason, dtype=np.int8),
        )


def gauge(values: FloatArray) -> Columns:
    """One feature from numbers as they are, shape (guests,).

    >>> gauge(np.array([7.0, np.nan])).gaps[:, 0].tolist()
    [0, 3]
    """
    gaps = np.where(np.isfinite(values), GapReason.PRESENT, GapReason.NOT_REPORTED)
    return Columns(np.where(gaps == 0, values, np.nan)[:, None], gaps.astype(np.int8)[:, None])


def counter_rate(before: FloatArray, after: FloatArray, seconds: FloatArray) -> Columns:
    """One feature from a counter, in counts a second, shape (guests,) each.

    A counter that went backwards is a gap: whether it wrapped or began anew
    cannot be told, and a guess would be a spike.

    >>> rate = counter_rate(np.array([10.0, 9.0]), np.array([30.0, 3.0]), np.array([2.0, 2.0]))
    >>> rate.values[:, 0].tolist(), rate.gaps[:, 0].tolist()
    ([10.0, nan], [0, 2])
    """
    timed = np.isfinite(seconds) & (seconds > 0)
    gained = after - before
    gaps = np.select(
        [~np.isfinite(after), ~np.isfinite(before), ~timed, gained < 0],
        [GapReason.NOT_REPORTED, GapReason.FIRST, GapReason.NO_TIME, GapReason.RESET],
        GapReason.PRESENT,
    ).astype(np.int8)
    values = np.full(len(after), np.nan)
    np.divide(gained, seconds, out=values, where=gaps == 0)
    return Columns(values[:, None], gaps[:, None])


def device_rate(
    before: DeviceTable, after: DeviceTable, field_name: str, seconds: FloatArray
) -> Columns:
    """One feature: a counter's rate summed over each guest's devices.

    A device that was plugged in since has no rate yet and is left out; so is one
    whose counter went backwards. Where nothing remains, the gap says why.

    Args:
        before, after: the same guests in the same rows.
        field_name: the counter, without the device's prefix.
        seconds: shape (guests,).
    """
    guests = len(seconds)
    rates = counter_rate(
        _aligned(before, after, field_name), after.column(field_name), seconds[after.owner]
    )
    value, gap = rates.values[:, 0], rates.gaps[:, 0]
    present = gap == 0
    total = np.bincount(after.owner[present], weights=value[present], minlength=guests)
    measured = np.bincount(after.owner[present], minlength=guests) > 0
    gaps = np.full(guests, GapReason.NO_DEVICE, dtype=np.int8)
    gaps[after.owner] = gap
    gaps[measured] = GapReason.PRESENT
    return Columns(np.where(measured, total, np.nan)[:, None], gaps[:, None])


def _aligned(before: DeviceTable, after: DeviceTable, field_name: str) -> FloatArray:
    """The earlier column in the later table's order; NaN for a new device."""
    column = before.column(field_name)
    if before.keys == after.keys:
        return column
    known = dict(zip(before.keys, column, strict=True))
    return np.array([known.get(key, np.nan) for key in after.keys], dtype=np.float64)
