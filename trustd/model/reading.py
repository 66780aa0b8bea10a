"""What the hypervisor answers when it is asked for all of its guests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag

from trustd.model.guest import GuestId, GuestState
from trustd.model.table import Stats


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
