"""Figures of operators' orders, and of guests that are held back."""

from __future__ import annotations

from collections import Counter

from prometheus_client import CollectorRegistry, Gauge

from trustd.model import Fleet

REASONS = ("too-many", "blind", "paused")
"""Why a guest is not narrowed as it should be."""


class OrderMeters:
    """What operators ordered, and who is held back.

    Args:
        own: the registry of the daemon's own figures.
    """

    def __init__(self, own: CollectorRegistry) -> None:
        self._overrides = Gauge(
            "trustd_overrides_active",
            "Guests whose band an operator's override bounds.",
            registry=own,
        )
        self._protected = Gauge(
            "trustd_protections_active", "Guests that an operator protects.", registry=own
        )
        self._paused = Gauge(
            "trustd_paused", "Whether an operator paused enforcement.", registry=own
        )
        self._held = Gauge(
            "trustd_guests_held",
            "Guests that are not narrowed as they should be, by reason.",
            ["reason"],
            registry=own,
        )

    def observe(self, fleet: Fleet) -> None:
        """Take in one tick."""
        orders = fleet.orders
        self._overrides.set(len(orders.overrides))
        self._protected.set(len(orders.protections))
        self._paused.set(orders.pause is not None)
        held = Counter(fleet.held.values())
        for reason in REASONS:
            self._held.labels(reason).set(held[reason])
