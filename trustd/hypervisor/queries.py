"""The calls that read guests' statistics, and what they become.

``whole_statistics`` may hang on an emulator that does not answer; the others never do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import libvirt

from trustd.hypervisor.connection import is_lost
from trustd.model import GuestId, GuestReading, GuestState, StatGroup, Stats

_NEVER_BLOCKING = StatGroup.STATE | StatGroup.INTERFACE
_ALL = _NEVER_BLOCKING | StatGroup.CPU_TOTAL | StatGroup.BALLOON | StatGroup.VCPU | StatGroup.BLOCK
_ACTIVE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
_INACTIVE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE
_NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT

_STATES: Mapping[int, GuestState] = {
    libvirt.VIR_DOMAIN_RUNNING: GuestState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: GuestState.RUNNING,
    libvirt.VIR_DOMAIN_SHUTDOWN: GuestState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: GuestState.PAUSED,
    # its own choice, and so no reason not to measure it
    libvirt.VIR_DOMAIN_PMSUSPENDED: GuestState.RUNNING,
    libvirt.VIR_DOMAIN_SHUTOFF: GuestState.SHUTOFF,
    libvirt.VIR_DOMAIN_CRASHED: GuestState.CRASHED,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on two clocks, in seconds: since the epoch, and never stepping."""

    at: float
    clock: float

    @classmethod
    def now(cls) -> Moment:
        """The present; the steady clock counts on while the host is suspended."""
        return cls(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call brought.

    Args:
        moment: read before the call.
        seconds: how long it took.
    """

    moment: Moment
    guests: Mapping[GuestId, GuestReading]
    seconds: float


def guest_state(number: object) -> GuestState:
    """A domain's state as a word, from libvirt's number.

    >>> guest_state(3), guest_state(99)
    (<GuestState.PAUSED: 'paused'>, <GuestState.UNKNOWN: 'unknown'>)
    """
    if not isinstance(number, int):
        return GuestState.UNKNOWN
    return _STATES.get(number, GuestState.UNKNOWN)


def whole_statistics(
    handle: libvirt.virConnect, *, without: frozenset[GuestId] = frozenset()
) -> Batch:
    """Every group of every active guest, and the state of the others.

    Disk images of a guest that is off are not looked at: they may lie on storage that
    hangs.

    Args:
        without: active guests to leave out.
    """
    off = handle.getAllDomainStats(StatGroup.STATE, _INACTIVE)
    moment = Moment.now()
    if without:
        wanted = [
            domain
            for domain in handle.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            if domain.UUIDString() not in without
        ]
        active = handle.domainListGetStats(wanted, _ALL, _NOWAIT) if wanted else []
    else:
        active = handle.getAllDomainStats(_ALL, _ACTIVE | _NOWAIT)
    guests = {}
    for domain, stats in off:
        reading = _reading(domain, stats, moment, whole=True)
        guests[reading.guest] = reading
    for domain, stats in active:
        reading = _reading(domain, stats, moment, whole=_answered(stats))
        guests[reading.guest] = reading
    return Batch(moment, guests, Moment.now().clock - moment.clock)


def responsive_statistics(
    handle: libvirt.virConnect, *, only: frozenset[GuestId] | None, until: float
) -> Batch:
    """What libvirt knows of guests without their emulators; never blocks.

    Args:
        only: the guests to read; None means all.
        until: on the monotonic clock; past it, memory and process time are left out.
    """
    moment = Moment.now()
    guests = {}
    for domain, stats in handle.getAllDomainStats(_NEVER_BLOCKING, 0):
        if only is not None and domain.UUIDString() not in only:
            continue
        off = stats.get("state.state") == libvirt.VIR_DOMAIN_SHUTOFF
        if not off and time.monotonic() < until:
            stats.update(_information(domain))
        reading = _reading(domain, stats, moment, whole=off)
        guests[reading.guest] = reading
    return Batch(moment, guests, Moment.now().clock - moment.clock)


def _reading(
    domain: libvirt.virDomain, stats: Stats, moment: Moment, *, whole: bool
) -> GuestReading:
    """One record of libvirt's reply; its dictionary is taken as it is."""
    return GuestReading(
        GuestId(domain.UUIDString()),
        guest_state(stats.get("state.state")),
        moment.at,
        moment.clock,
        stats,
        whole,
    )


def _answered(stats: Stats) -> bool:
    """Whether libvirt could speak with the emulator: these fields it gives only then."""
    return "balloon.rss" in stats or "block.0.rd.reqs" in stats


def _information(domain: libvirt.virDomain) -> Mapping[str, int]:
    """Memory in KiB and time in ns, in the bulk statistics' names where they agree.

    The process's CPU time is another counter than ``cpu.time`` and is not given its
    name: a rate over the two would be wrong.
    """
    try:
        _, maximum, current, _, process_time = domain.info()
    except libvirt.libvirtError as error:
        if is_lost(error):
            raise
        return {}  # the guest went away since the call that listed it
    return {
        "balloon.maximum": maximum,
        "balloon.current": current,
        "info.cpu.time": process_time,
    }
