"""How a guest itself feels each lever, asked from inside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

from tests.lab.errors import LabError
from tests.lab.guest import Guest, rates

Feels = Callable[[], bool | None]
"""Asks the guest once whether it feels the lever now; None where it is too soon to say."""

INTERFACE = "eth0"
"""The network interface of a lab guest, as its kernel calls it."""
STALLED = 0.1
"""The part of its pace below which a guest's disk stands still."""
SLOWED = 0.4
"""The part of its speed below which a guest is held back; a quota of 5 % leaves less."""
WINDOW = 0.15
"""Seconds over which a pace is taken: a dozen writes."""
ANSWER = 0.5
"""Seconds after which a guest that gave no answer stands still."""
LASTING = 0.5
"""Seconds for which it must be felt without a break: a busy host also slows a guest for less."""


def disk_throttle(guest: Guest) -> Feels:
    """It writes hardly anything."""
    before, fastest = guest.counters(), 0.0

    def feels() -> bool | None:
        nonlocal before, fastest
        now = guest.counters()
        if now.at - before.at < WINDOW:
            return None
        pace = rates(before, now).written
        before, fastest = now, max(fastest, pace)
        return pace < STALLED * fastest

    return feels


def disk_gate(guest: Guest) -> Feels:
    """Its writes fail, and are not merely slow."""
    return lambda: guest.attempt("write") != ""


def nic_link(guest: Guest) -> Feels:
    """Its kernel has no carrier."""
    return lambda: not guest.counters().carrier


def unanswered(guest: Guest) -> Feels:
    """What it sends is not answered."""
    return lambda: not guest.reaches()


def unplug(guest: Guest) -> Feels:
    """Its kernel has no network interface."""
    return lambda: INTERFACE not in guest.devices()


def cpu_quota(guest: Guest) -> Feels:
    """A loop of it turns much slower."""
    usual = median(guest.speed(seconds=0.1) for _ in range(5))
    return lambda: guest.speed(seconds=0.1) < SLOWED * usual


def pause(guest: Guest) -> Feels:
    """It does not answer any more."""

    def feels() -> bool:
        try:
            guest.wait_ready(seconds=ANSWER)
        except LabError:
            return True
        return False

    return feels


LEVERS: Mapping[str, Callable[[Guest], Feels]] = {
    "disk-throttle": disk_throttle,
    "disk-gate": disk_gate,
    "nic-link": nic_link,
    "nic-filter": unanswered,
    "quarantine": unanswered,
    "unplug": unplug,
    "cpu-quota": cpu_quota,
    "pause": pause,
}


def since(
    feels: Feels,
    enough: Callable[[], bool],
    *,
    seconds: float,
    clock: Callable[[], float] = time.time,
) -> float:
    """When the guest began to feel a lever for good: the first question of those not broken off.

    Args:
        feels: asks the guest.
        enough: whether it may be for good by now; before that, asking goes on.
        seconds: how long it is asked at most.

    Raises:
        LabError: it did not feel it for good by then.
    """
    end = clock() + seconds
    began: float | None = None
    asked = clock()
    while clock() < end:
        now = feels()
        if now is None:
            continue
        began = (asked if began is None else began) if now else None
        asked = clock()
        if began is not None and asked - began >= LASTING and enough():
            return began
    raise LabError(f"not felt within {seconds:g} s")
