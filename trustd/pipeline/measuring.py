"""From a reading to the samples of all guests: every collector and probe, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from trustd.model import (
    Columns,
    Finding,
    GapReason,
    Guest,
    GuestEvent,
    GuestId,
    HostLoad,
    Reading,
)
from trustd.pipeline.frames import Frame, Pair, Pairing
from trustd.pipeline.probing import Probing
from trustd.plugins import Plugins, Ward
from trustd.spi import Collector


class Measuring:
    """Runs the plug-ins of one tick.

    Args:
        longest: seconds above which two readings are too far apart for a rate.
    """

    def __init__(self, plugins: Plugins, probing: Probing, ward: Ward, longest: float) -> None:
        self._plugins = plugins
        self._probing = probing
        self._ward = ward
        self._longest = longest
        self._pairing = Pairing()
        self.features = plugins.features

    def frame(self, order: Sequence[GuestId], reading: Reading) -> tuple[Frame, Pair]:
        """The samples of the guests ``order``, and the readings that they came of."""
        pair = self._pairing.pair(order, reading, self._longest)
        parts = [self._collect(each, pair) for each in self._plugins.collectors]
        parts.append(self._probing.columns(order, reading.at))
        return Frame.of(self.features, Columns.stack(parts), pair), pair

    def findings(
        self, events: Sequence[GuestEvent], guests: Mapping[GuestId, Guest]
    ) -> list[Finding]:
        """What the listeners make of the events, and what the probes found."""
        found = self._probing.findings()
        for listener in self._plugins.listeners:
            notice = partial(listener.notice, events, guests)
            found.extend(self._ward.run(listener.name, notice, ()))
        return found

    def load(self) -> HostLoad | None:
        """How busy the host is; None where nothing says."""
        for sensor in self._plugins.sensors:
            load = self._ward.run(sensor.name, sensor.sense, None)
            if load is not None:
                return load
        return None

    def last_whole(self, guest: GuestId) -> float | None:
        """Boot-clock time at which the guest's emulator last answered; None if never."""
        reading = self._pairing.last_whole(guest)
        return reading.clock if reading else None

    def forget(self, guest: GuestId) -> None:
        """Drop a guest that is gone."""
        self._pairing.forget(guest)

    def _collect(self, collector: Collector, pair: Pair) -> Columns:
        guests, features = len(pair.seconds), len(collector.features)

        def collect() -> Columns:
            columns = collector.collect(pair.before, pair.after, seconds=pair.seconds)
            for part in (columns.values, columns.gaps):
                if part.shape != (guests, features):
                    raise ValueError(f"gave the shape {part.shape}, not {(guests, features)}")
            if not np.array_equal(np.isnan(columns.values), columns.gaps != GapReason.PRESENT):
                raise ValueError("gave numbers where it says there are gaps, or none elsewhere")
            return columns

        failed = Columns.missing(guests, features, GapReason.FAILED)
        return self._ward.run(collector.name, collect, failed)
