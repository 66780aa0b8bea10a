"""The Protocols that the parts of trustd know each other by.

Outsiders implement :class:`Collector`, :class:`Listener`, :class:`Probe` or
:class:`HostSensor` and name the class in the entry-point table
``trustd.collectors``; it is called with no arguments, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from trustd.model import (
    Columns,
    FeatureSpec,
    Finding,
    FloatArray,
    Gap,
    Guest,
    GuestEvent,
    GuestId,
    HostLoad,
    HypervisorCondition,
    Reading,
    ReplyTable,
    StatGroup,
)


@runtime_checkable
class Collector(Protocol):
    """Telemetry from two consecutive bulk replies: a pure function.

    Attributes:
        name: its name in settings, metrics and documents.
        features: the columns it gives, in order.
        groups: the groups of statistics it needs.
    """

    name: str
    features: Sequence[FeatureSpec]
    groups: StatGroup

    def collect(self, before: ReplyTable, after: ReplyTable, *, seconds: FloatArray) -> Columns:
        """Measure every guest of the fleet at once.

        Args:
            before, after: the same guests in the same rows; a guest without an
                earlier reply has an empty row in ``before``.
            seconds: between the two, shape (guests,); NaN without an earlier one.

        Returns:
            One column a feature; a gap with its reason where there is no number.
        """


@runtime_checkable
class Listener(Protocol):
    """Findings from the hypervisor's events: a pure function.

    Attributes:
        name: its name in settings, metrics and documents.
        kinds: every kind of finding that it may give.
    """

    name: str
    kinds: frozenset[str]

    def notice(
        self, events: Sequence[GuestEvent], guests: Mapping[GuestId, Guest]
    ) -> Sequence[Finding]:
        """Judge the events since the last tick, oldest first."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe says of one guest.

    Args:
        values: by feature name; a feature that is left out is a gap.
        findings: those that are open now.
    """

    values: Mapping[str, float | Gap] = field(default_factory=dict)
    findings: Sequence[Finding] = ()


@runtime_checkable
class Probe(Protocol):
    """Evidence that takes input or output of its own, at its own cadence.

    Attributes:
        name: its name in settings, metrics and documents.
        features: what it measures; may be empty.
        kinds: every kind of finding that it may give.
        every: seconds between two probes of a guest.
        timeout: seconds after which a probe is given up.
    """

    name: str
    features: Sequence[FeatureSpec]
    kinds: frozenset[str]
    every: float
    timeout: float

    def probe(self, guest: Guest, *, at: float) -> Probed:
        """Look at one running guest; blocking, called off the line.

        Args:
            at: epoch seconds.

        Raises:
            NoData: there is nothing to see of this guest.
        """


@runtime_checkable
class HostSensor(Protocol):
    """The host's own load, so that a busy host is not a guest's fault."""

    name: str

    def sense(self) -> HostLoad:
        """Read the load; quick, called once a tick.

        Raises:
            NoData: this host does not say.
        """


Plugin = Collector | Listener | Probe | HostSensor
"""What an entry point of the table ``trustd.collectors`` makes."""


class Hypervisor(Protocol):
    """The one door to the guests of a host, or to a recording of them."""

    def start(self) -> None:
        """Begin to connect; returns soon, also where nothing answers yet."""

    def sample(self) -> Reading:
        """Read all guests. Never blocks longer than its deadline, never raises."""

    def inventory(self) -> Mapping[GuestId, Guest]:
        """Every guest that is known now, with its devices and labels."""

    def events(self) -> Sequence[GuestEvent]:
        """What happened since the last call, oldest first."""

    def resynced(self) -> bool:
        """Whether events may have been lost since the last call (a new connection)."""

    def condition(self) -> HypervisorCondition:
        """The state of the connection."""

    def close(self) -> None:
        """End every connection and thread."""
