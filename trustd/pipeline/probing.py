"""Running the probes off the line, and keeping what they last said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from trustd.deadline import Worker
from trustd.errors import TimedOut
from trustd.model import Columns, FeatureSpec, Finding, Gap, GapReason, Guest, GuestId
from trustd.pipeline.checking import checked_probe
from trustd.plugins import Attempt, Ward, attempt
from trustd.spi import Probe, Probed

STALE_AFTER = 3
"""A value that is older than this many of its probe's periods is a gap."""
MOST_HANGING = 32
"""Guests at which one probe may hang before it looks at no other any more."""

_NEVER = (-np.inf, Probed())


class Probing:
    """The probes' own rounds, and the values and findings that they left.

    A round of a probe looks at one running guest after another. A guest at
    which it hangs or fails costs that guest its values and nobody else theirs;
    one at which it hangs is not asked again before the call has come back.

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
        self._closing = threading.Event()
        self._targets: Sequence[Guest] = ()
        self._values: dict[tuple[str, GuestId], tuple[float, Probed]] = {}
        self._findings: list[Finding] = []
        self._looking: set[tuple[str, GuestId]] = set()
        self._workers = {
            probe.name: Worker(f"probe-{probe.name}", MOST_HANGING) for probe in probes
        }

    def watch(self, guests: Sequence[Guest]) -> None:
        """Say which guests run, for the rounds to come."""
        with self._lock:
            self._targets = guests
            if self._values:
                known = {guest.id for guest in guests}
                for key in [key for key in self._values if key[1] not in known]:
                    del self._values[key]

    def round(self, probe: Probe) -> None:
        """Probe every running guest once; called at the probe's own cadence."""
        with self._lock:
            targets = self._targets
        began, failures, last = time.perf_counter(), 0, ""
        for guest in targets:
            if self._closing.is_set():
                return
            at = self._now()
            done = attempt(partial(self._ask, probe, guest, at))
            if done.error:
                failures, last = failures + 1, done.error
            self._take(probe, guest.id, at, done)
        error = f"{last} (at {failures} of {len(targets)} guests)" if failures else ""
        self._ward.note(probe.name, time.perf_counter() - began, error, failures)

    def close(self) -> None:
        """End the round that is under way, and the threads that are idle."""
        self._closing.set()
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
        if not self.features:
            return table
        with self._lock:
            values = dict(self._values)
        column = 0
        for probe in self.probes:
            for feature in probe.features:
                for row, guest in enumerate(order):
                    when, probed = values.get((probe.name, guest), _NEVER)
                    value = probed.values.get(feature.name)
                    if abs(at - when) > STALE_AFTER * probe.every or value is None:
                        continue
                    if isinstance(value, Gap):
                        table.gaps[row, column] = value.reason
                    else:
                        table.values[row, column] = value
                        table.gaps[row, column] = GapReason.PRESENT
                column += 1
        return table

    def _ask(self, probe: Probe, guest: Guest, at: float) -> Probed:
        place = probe.name, guest.id
        if place in self._looking:
            raise TimedOut(f"{guest.name!r}: the call of an earlier round has not come back")

        def look() -> Probed:
            self._looking.add(place)
            try:
                return checked_probe(probe, probe.probe(guest, at=at), guest.id)
            finally:
                self._looking.discard(place)

        return self._workers[probe.name].call(look, probe.timeout)

    def _take(self, probe: Probe, guest: GuestId, at: float, done: Attempt[Probed]) -> None:
        """Keep what a probe said of a guest, or that it said nothing."""
        with self._lock:
            if done.answer is not None:
                self._values[probe.name, guest] = (at, done.answer)
                self._findings.extend(done.answer.findings)
            elif done.nothing:
                self._values.pop((probe.name, guest), None)
            else:
                hangs = isinstance(done.failure, TimedOut)
                gap = Gap(GapReason.UNRESPONSIVE if hangs else GapReason.FAILED)
                self._values[probe.name, guest] = (
                    at,
                    Probed({each.name: gap for each in probe.features}),
                )
