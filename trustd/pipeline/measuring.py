"""From a reading to the samples of all guests: every collector and probe, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from trustd.model import (
    Columns,
    Finding,
    Frame,
    GapReason,
    Guest,
    GuestEvent,
    GuestId,
    HostLoad,
    Reading,
)
from trustd.pipeline.checking import checked_columns, checked_findings, checked_load
from trustd.pipeline.frames import Pair, Pairing, framed
from trustd.pipeline.probing import Probing
from trustd.plugins import Plugins, Ward
from trustd.spi import Collector, HostSensor, Listener


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
        return framed(self.features, Columns.stack(parts), pair), pair

    def findings(
        self, events: Sequence[GuestEvent], guests: Mapping[GuestId, Guest]
    ) -> list[Finding]:
        """What the listeners make of the events, and what the probes found."""
        found = self._probing.findings()
        for listener in self._plugins.listeners:
            found += self._ward.run(listener.name, partial(_notice, listener, events, guests), [])
        return found

    def load(self) -> HostLoad | None:
        """How busy the host is; None where nothing says."""
        for sensor in self._plugins.sensors:
            load = self._ward.run(sensor.name, partial(_sense, sensor), None)
            if load is not None:
                return load
        return None

    def forget(self, guest: GuestId) -> None:
        """Drop a guest that is gone."""
        self._pairing.forget(guest)

    def _collect(self, collector: Collector, pair: Pair) -> Columns:
        guests, features = len(pair.seconds), len(collector.features)
        return self._ward.run(
            collector.name,
            lambda: checked_columns(
                collector.collect(pair.before, pair.after, seconds=pair.seconds), guests, features
            ),
            Columns.missing(guests, features, GapReason.FAILED),
        )


def _notice(
    listener: Listener, events: Sequence[GuestEvent], guests: Mapping[GuestId, Guest]
) -> list[Finding]:
    return checked_findings(listener.notice(events, guests), listener.kinds)


def _sense(sensor: HostSensor) -> HostLoad | None:
    return checked_load(sensor.sense())
