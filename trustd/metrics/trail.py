"""Figures of the audit trail."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge


class TrailMeters:
    """Whether the trail is sound, and its head is kept elsewhere.

    Args:
        own: the registry of the daemon's own figures.
    """

    def __init__(self, own: CollectorRegistry) -> None:
        self._faults = Gauge(
            "trustd_audit_faults",
            "Places at which the audit trail is not what was written, by the last check.",
            registry=own,
        )
        self._checked = Gauge(
            "trustd_audit_checked_timestamp_seconds",
            "When the audit trail was checked last; 0 where it was not since the start.",
            registry=own,
        )
        self._anchored = Gauge(
            "trustd_audit_anchor_failed",
            "Whether the signed head of the audit trail could not be written the last time.",
            registry=own,
        )

    def checked(self, faults: int, at: float) -> None:
        """Take in what a check found (epoch seconds)."""
        self._faults.set(faults)
        self._checked.set(at)

    def anchored(self, *, failed: bool) -> None:
        """Take in whether the head was written."""
        self._anchored.set(failed)
