"""The learned lane on real guests: a job that always ran is nobody's guilt, an attack is.

No envelope is stated here; what is normal is learned from the guests alone. Days would take
too long: the guests' rates are measured as they are, and the engine is told that each second
stood for half an hour, all its constants being the ones that ship. Rates do not depend on
that, and everything that has a duration (a window, a half-life, a night) is shorter by the same
factor. It is harder on the engine than the truth: half an hour is one window of evidence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from trustd.hypervisor import HypervisorSettings, LibvirtHypervisor
from trustd.model import GuestId
from trustd.pipeline import Measuring, Probing
from trustd.plugins import Plugins, Ward, discover
from trustd.trust import Engine, Settings

pytestmark = pytest.mark.lab

HOUR, DAY = 3600.0, 86400.0
FACTOR = 1800.0
"""Seconds that the engine is told a second to be."""
EVERY = 0.5
"""Real seconds between two samples: 15 minutes of the engine's."""
NIGHTS = 4
"""That the job runs before the night that counts."""
JOB = (2 * HOUR, 4 * HOUR)
"""When the job runs, from midnight."""
MOST = 16
"""Samples within which an attack must be seen: four hours of the engine's, eight seconds."""
NAMES = ("calm", "job", "miner", "flooder", "rewriter")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured of all guests at one time.

    Args:
        at: epoch seconds, as the engine is told.
        seconds: since the sample before, as the engine is told; NaN where there is none.
    """

    at: float
    seconds: np.ndarray
    values: np.ndarray


class Watch:
    """Samples real guests at a steady pace, through libvirt and the collectors that ship."""

    def __init__(self, host: Hypervisor) -> None:
        self.order = tuple(GuestId(guest.uuid) for guest in host.guests)
        plugins = Plugins(collectors=discover().collectors)
        ward = Ward(plugins.names)
        self._door = LibvirtHypervisor(HypervisorSettings(uri=host.uri_readonly, deadline=0.4))
        probing = Probing((), ward, time.time)
        self._measuring = Measuring(plugins, probing, ward, longest=10 * EVERY)
        self.features = self._measuring.features
        self._door.start()
        self._first: float | None = None

    def close(self) -> None:
        self._door.close()

    def samples(self) -> Iterator[Sample]:
        """Without end; day 0 begins with the first."""
        following = time.monotonic()
        while True:
            time.sleep(max(0.0, following - time.monotonic()))
            following = max(following + EVERY, time.monotonic())
            reading = self._door.sample()
            frame, pair = self._measuring.frame(self.order, reading)
            if self._first is None:
                self._first = reading.clock
            at = (reading.clock - self._first) * FACTOR
            yield Sample(at, pair.seconds * FACTOR, frame.values)
