"""libvirt behind the Protocol that the rest of trustd knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from trustd.hypervisor.sampling import Sampler
from trustd.hypervisor.settings import HypervisorSettings
from trustd.hypervisor.watch import Watch
from trustd.model import Guest, GuestEvent, GuestId, GuestState, HypervisorCondition, Reading


class LibvirtHypervisor:
    """The guests of a libvirt host, read over connections that can change nothing.

    Args:
        settings: where to connect, and how long to wait.
    """

    def __init__(self, settings: HypervisorSettings) -> None:
        self._watch = Watch(settings)
        self._sampler = Sampler(settings)
        self._lock = threading.Lock()
        self._up = False
        self._since = time.time()
        self._silence = ""
        self._unresponsive = 0

    @property
    def events_dropped(self) -> int:
        """Events for which there was no room, since the beginning."""
        return self._watch.dropped

    def start(self) -> None:
        """Begin to connect; returns with the first inventory, or soon where there is none."""
        self._watch.start()

    def sample(self) -> Reading:
        """Read all guests; never longer than the deadline, never raises."""
        known = self._watch.inventory().values()
        reading = self._sampler.sample(
            sum(guest.state is not GuestState.SHUTOFF for guest in known)
        )
        with self._lock:
            self._silence = reading.error
            self._unresponsive = sum(not guest.whole for guest in reading.guests.values())
        return reading

    def inventory(self) -> Mapping[GuestId, Guest]:
        """Every guest that is known now, with its devices and labels."""
        return self._watch.inventory()

    def events(self) -> Sequence[GuestEvent]:
        """What happened since the last call, oldest first."""
        return self._watch.events()

    def resynced(self) -> bool:
        """Whether events may have been lost since the last call."""
        return self._watch.resynced()

    def condition(self) -> HypervisorCondition:
        """The state of the connections: up where events come and samples are answered."""
        trouble = self._watch.trouble
        with self._lock:
            error = trouble or self._silence
            if self._up == bool(error):
                self._up = not error
                self._since = time.time()
            return HypervisorCondition(
                self._up, self._since, error, self._sampler.abandoned, self._unresponsive
            )

    def close(self) -> None:
        """End every connection and thread; a call under way ends with the process."""
        self._watch.close()
        self._sampler.close()
