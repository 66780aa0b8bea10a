"""What is measured: features, their units, and why a value may be absent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Unit(StrEnum):
    """The unit of a feature. Other spellings in use are understood.

    >>> Unit("B/s") is Unit.BYTES_PER_SECOND, Unit("%") is Unit.PERCENT
    (True, True)
    """

    BYTES_PER_SECOND = "bytes/s"
    EVENTS_PER_SECOND = "events/s"
    PERCENT = "percent"

    @classmethod
    def _missing_(cls, value: object) -> Unit | None:
        return _SPELLINGS.get(str(value).strip().lower())


_SPELLINGS = {
    "b/s": Unit.BYTES_PER_SECOND,
    "byte/s": Unit.BYTES_PER_SECOND,
    "bytes_per_second": Unit.BYTES_PER_SECOND,
    "event/s": Unit.EVENTS_PER_SECOND,
    "events_per_second": Unit.EVENTS_PER_SECOND,
    "packets/s": Unit.EVENTS_PER_SECOND,
    "requests/s": Unit.EVENTS_PER_SECOND,
    "1/s": Unit.EVENTS_PER_SECOND,
    "%": Unit.PERCENT,
    "pct": Unit.PERCENT,
}


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One column of telemetry.

    Args:
        name: dotted, lower case, such as ``net.tx.bytes``.
        unit: what the number counts; a string is converted.
        group: the resource that it speaks of (``cpu``, ``memory``, ``disk``,
            ``network``); evidence is combined inside a group before groups are
            combined, so that ten views of one disk are not ten witnesses.
        family: the source of evidence it belongs to. Everything that is derived
            from one reply of the hypervisor is one family.
        contended: whether a busy host moves it without the guest's doing.
        suffered: whether others move it, such as what a guest receives. It is shown
            and bounded by stated envelopes, and is no evidence by itself: else
            whoever can send to a guest could have it narrowed.
    """

    name: str
    unit: Unit
    group: str
    family: str = "counters"
    contended: bool = False
    suffered: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", Unit(self.unit))


class GapReason(IntEnum):
    """Why there is no number; :attr:`PRESENT` is the code of a cell that has one."""

    PRESENT = 0
    FIRST = 1
    """The first sample: a rate needs two."""
    RESET = 2
    """A counter went backwards: the guest restarted, or the counter wrapped."""
    NOT_REPORTED = 3
    """The hypervisor does not give this field for this guest."""
    NO_DEVICE = 4
    """The guest has no device of this kind."""
    NO_TIME = 5
    """No time, or far too much, passed since the last sample."""
    UNRESPONSIVE = 6
    """The guest's emulator did not answer by the deadline."""
    NOT_RUNNING = 7
    """The guest is paused or shut off."""
    UNREACHABLE = 8
    """There is no connection to the hypervisor."""
    FAILED = 9
    """The collector raised an error."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The absence of a sample, with its reason. Never a zero."""

    reason: GapReason
