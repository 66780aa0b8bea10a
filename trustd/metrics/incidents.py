"""Figures of incidents."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from trustd.model import Severity


class IncidentMeters:
    """How many incidents wait for somebody.

    Args:
        own: the registry of the daemon's own figures.
    """

    def __init__(self, own: CollectorRegistry) -> None:
        self._open = Gauge(
            "trustd_incidents_open",
            "Incidents that nobody has resolved yet, by severity.",
            ["severity"],
            registry=own,
        )
        self._overdue = Gauge(
            "trustd_incidents_overdue",
            "Incidents that should have been acknowledged by now and were not.",
            registry=own,
        )

    def observe(self, found: Mapping[str, int], overdue: int) -> None:
        """Take in one tick.

        Args:
            found: those that are open, by severity.
        """
        for severity in Severity:
            self._open.labels(severity).set(found.get(severity, 0))
        self._overdue.set(overdue)
