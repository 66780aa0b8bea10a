"""What the door to the hypervisor can be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HypervisorSettings:
    """How to reach the hypervisor, and how long to wait for it.

    Args:
        uri: libvirt's connection URI; ``?socket=PATH`` names another socket.
        deadline: seconds that one sample of all guests may take in all, at least.
        per_guest: seconds of it for each guest, where that is more in all.
        longest: the most that it becomes by the number of guests.
        calls: calls that may be under way at once, each on a connection of its own;
            a call that does not come back keeps its place, and libvirtd has 20 workers.
        retry_first: seconds before the first attempt to connect again.
        retry_most: seconds between attempts at most; each waits twice as long.
        refresh: seconds between two full reads of the inventory. Events keep it
            current; this finds what libvirt changes without an event.
        keepalive: seconds between two probes of a silent connection.
    """

    uri: str = "qemu:///system"
    deadline: float = 1.0
    per_guest: float = 0.05
    longest: float = 4.0
    calls: int = 6
    retry_first: float = 0.2
    retry_most: float = 5.0
    refresh: float = 60.0
    keepalive: int = 5

    def deadline_for(self, guests: int) -> float:
        """Seconds that one sample of so many guests may take.

        >>> settings = HypervisorSettings()
        >>> [settings.deadline_for(guests) for guests in (10, 60, 1000)]
        [1.0, 3.0, 4.0]
        """
        return max(self.deadline, min(self.per_guest * guests, self.longest))
