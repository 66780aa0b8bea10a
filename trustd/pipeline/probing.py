"""Running the probes off the line, and keeping what they last said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from trustd.deadline import Worker
from trustd.model import Columns, FeatureSpec, Finding, Gap, GapReason, Guest, GuestId
from trustd.plugins import Ward
from trustd.spi import Probe, Probed

_UNSEEN = Probed()
STALE_AFTER = 3
"""A value that is older than this many of its probe's periods is a gap."""


class Probing:
    """The probes' own rounds, and the values and findings that they left.

    A round of a probe looks at one running guest after another. A guest at
    which it hangs or fails costs that guest its values and nobody else theirs.

    Args:
        now: the time, in epoch seconds.
    """

    def __init__(self, probes: Sequence[Probe], ward: Ward, now: Callable[[], float]) -> None:
        self.probes = probes
        self.features: tuple[FeatureSpec, ...] = tuple(
            feature for probe in probes for feature in probe.features
        )
        self._ward = ward
        self._now = now
        self._lock = threading.Lock()
        self._targets: Sequence[Guest] = ()
        self._values: dict[tuple[str, GuestId], tuple[float, Probed]] = {}
        self._findings: list[Finding] = []
        self._workers = {probe.name: Worker(f"probe-{probe.name}") for probe in probes}

    def watch(self, guests: Sequence[Guest]) -> None:
        """Say which guests run, for the rounds to come."""
        with self._lock:
            self._targets = guests
            known = {guest.id for guest in guests}
            for key in [key for key in self._values if key[1] not in known]:
                del self._values[key]

    def round(self, probe: Probe) -> None:
        """Probe every running guest once; called at the probe's own cadence."""
        with self._lock:
            targets = self._targets
        for guest in targets:
            at = self._now()
            probed = self._ward.run(probe.name, partial(self._ask, probe, guest, at), _UNSEEN)
            with self._lock:
                if probed is _UNSEEN:
                    self._values.pop((probe.name, guest.id), None)
                    continue
                self._values[probe.name, guest.id] = (at, probed)
                self._findings.extend(probed.findings)

    def _ask(self, probe: Probe, guest: Guest, at: float) -> Probed:
        look = partial(probe.probe, guest, at=at)
        return self._workers[probe.name].call(look, probe.timeout)

    def close(self) -> None:
        """End the threads that are idle."""
        for worker in self._workers.values():
            worker.close()

    def findings(self) -> list[Finding]:
        """What was found since the last call."""
        with self._lock:
            found, self._findings = self._findings, []
        return found

    def columns(self, order: Sequence[GuestId], at: float) -> Columns:
        """The last values of every probe's features, a row a guest."""
        table = Columns.missing(len(order), len(self.features), GapReason.NOT_REPORTED)
        with self._lock:
            values = dict(self._values)
        column = 0
        for probe in self.probes:
            for feature in probe.features:
                for row, guest in enumerate(order):
                    when, probed = values.get((probe.name, guest), (-np.inf, Probed()))
                    value = probed.values.get(feature.name)
                    if at - when > STALE_AFTER * probe.every or value is None:
                        continue
                    if isinstance(value, Gap):
                        table.gaps[row, column] = value.reason
                    else:
                        table.values[row, column] = value
                        table.gaps[row, column] = GapReason.PRESENT
                column += 1
        return table
