"""Figures of what other services report."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

TAKEN = {
    "new": "accepted",
    "resolved": "accepted",
    "ok": "accepted",
    "again": "folded",
    "duplicate": "folded",
}
"""By what became of a report: how it is counted."""
REFUSED = ("unregistered", "policy", "rate", "invalid", "guest", "store")
"""Why a request was refused."""
WAYS = ("socket", "token")
"""How a sender shows who it is."""


class EvidenceMeters:
    """How many reports came, and what became of them.

    Args:
        own: the registry of the daemon's own figures.
    """

    def __init__(self, own: CollectorRegistry) -> None:
        self._reports = Counter(
            "trustd_evidence_reports",
            "Reports of other services, by what became of them; of a refused request, one.",
            ["sender", "result", "reason"],
            registry=own,
        )
        for way in WAYS:
            for reason, result in TAKEN.items():
                self._reports.labels(way, result, reason)
            for reason in REFUSED:
                self._reports.labels(way, "refused", reason)

    def taken(self, way: str, counts: str) -> None:
        """Take in what became of one report.

        Args:
            way: one of ``WAYS``.
            counts: one of ``TAKEN``.
        """
        self._reports.labels(way, TAKEN[counts], counts).inc()

    def refused(self, way: str, reason: str) -> None:
        """Take in that a request was refused, for one of ``REFUSED``."""
        self._reports.labels(way, "refused", reason).inc()
