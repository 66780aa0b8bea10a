"""How busy the host is, so that a slow host is not taken for a guest's fault."""

from __future__ import annotations

import os
from pathlib import Path

from trustd.errors import NoData
from trustd.model import HostLoad

PRESSURE = ("cpu", "memory", "io")


class Host:
    """The host's pressure, from the kernel's own accounting of stalls.

    Source: ``/proc/pressure`` (the share of the last 10 s in which some work
    waited). A kernel without it still gives the queue of runnable work and the
    share of waiting for disks; then memory pressure is not known and stays 0. On
    a host that is itself a guest, the time that was stolen from it counts as
    processor pressure, which the kernel's accounting leaves out.

    Args:
        proc: where procfs is mounted.
    """

    name = "host"

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._ticks: tuple[int, ...] = ()

    def sense(self) -> HostLoad:
        """Read the load; quick, called once a tick.

        Raises:
            NoData: this host does not say.
        """
        iowait, steal = self._shares()
        try:
            cpu, memory, io = (
                some_avg10((self._proc / "pressure" / kind).read_text()) for kind in PRESSURE
            )
        except (OSError, ValueError):
            # No pressure accounting (CONFIG_PSI), or switched off (psi=0).
            cpu, memory, io = self._queued(), 0.0, iowait
        return HostLoad(cpu=max(cpu, steal), memory=memory, io=io)

    def _queued(self) -> float:
        try:
            text = (self._proc / "loadavg").read_text()
            return queued(text, cores=os.cpu_count() or 1)
        except (OSError, ValueError) as error:
            raise NoData(
                f"{self._proc} has neither pressure nor loadavg to read: {error}; "
                "mount procfs, or switch the collector off"
            ) from error

    def _shares(self) -> tuple[float, float]:
        """The shares of waiting for disks and of steal since the last call."""
        try:
            ticks = cpu_ticks((self._proc / "stat").read_text())
        except (OSError, ValueError):
            return 0.0, 0.0
        before, self._ticks = self._ticks, ticks
        return stalls(before, ticks) if before else (0.0, 0.0)


def some_avg10(text: str) -> float:
    """The share of time in which some work waited, from a file of /proc/pressure.

    >>> some_avg10("some avg10=12.50 avg60=3.00 avg300=1.00 total=99")
    0.125
    """
    kind, _, rest = text.partition(" ")
    key, _, value = rest.partition(" ")[0].partition("=")
    if (kind, key) != ("some", "avg10"):
        raise ValueError(f"not a pressure file: {text[:40]!r}")
    return _share(float(value) / 100.0)


def queued(text: str, *, cores: int) -> float:
    """The share of runnable work that has no core, from /proc/loadavg.

    >>> queued("8.00 4.00 2.00 9/300 4242", cores=2)
    0.75
    """
    load = float(text.split(" ", 1)[0])
    return _share(1.0 - cores / load) if load > cores else 0.0


def cpu_ticks(text: str) -> tuple[int, ...]:
    """User, nice, system, idle, iowait, irq, softirq and steal, from /proc/stat.

    >>> cpu_ticks("cpu  10 0 5 80 3 0 0 2 0 0")
    (10, 0, 5, 80, 3, 0, 0, 2)
    """
    first = text.partition("\n")[0].split()
    if first[:1] != ["cpu"] or len(first) < _STEAL + 2:
        raise ValueError(f"not a processor line: {text[:40]!r}")
    return tuple(int(ticks) for ticks in first[1 : _STEAL + 2])


_IOWAIT, _STEAL = 4, 7


def stalls(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[float, float]:
    """The shares of waiting for disks and of steal between two readings.

    >>> stalls((0, 0, 0, 0, 0, 0, 0, 0), (40, 0, 0, 30, 20, 0, 0, 10))
    (0.2, 0.1)
    """
    spent = [max(0, late - early) for early, late in zip(before, after, strict=True)]
    whole = sum(spent)
    if not whole:
        return 0.0, 0.0
    return spent[_IOWAIT] / whole, spent[_STEAL] / whole


def _share(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"not a share of time: {value}")
    return value
