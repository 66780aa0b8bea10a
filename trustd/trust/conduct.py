"""What the policy says of each guest's behaviour, as columns."""

from __future__ import annotations

from collections.abc import Sequence

from trustd.model import Behaviour, FamilyWeight, FeatureSpec
from trustd.trust.columns import Column, Table

_DEFAULT = Behaviour()
_WEIGHT = FamilyWeight()
COLUMNS = {
    "behaviour.warmup": Column("guest", fill=_DEFAULT.warmup, dtype="f8"),
    "behaviour.good": Column("guest", fill=_DEFAULT.good_half_life, dtype="f8"),
    "behaviour.bad": Column("guest", fill=_DEFAULT.bad_half_life, dtype="f8"),
    "behaviour.rise": Column("guest", fill=_DEFAULT.rise / 3600.0, dtype="f8"),
    "behaviour.ignore": Column("feature", dtype="?"),
    "behaviour.cap": Column("family", fill=_WEIGHT.cap),
    "behaviour.reliability": Column("family", fill=_WEIGHT.reliability),
}
SHORTEST = 1e-3
"""Seconds; a half-life of zero would divide by it."""


def apply(table: Table, row: int, behaviour: Behaviour, features: Sequence[FeatureSpec]) -> None:
    """Write one guest's behaviour into its row."""
    table["behaviour.warmup"][row] = max(behaviour.warmup, SHORTEST)
    table["behaviour.good"][row] = max(behaviour.good_half_life, SHORTEST)
    table["behaviour.bad"][row] = max(behaviour.bad_half_life, SHORTEST)
    table["behaviour.rise"][row] = max(behaviour.rise, 0.0) / 3600.0
    table["behaviour.ignore"][row] = [
        each.suffered or each.name in behaviour.ignore for each in features
    ]
    for place, family in enumerate(table.labels["family"]):
        weight = behaviour.families.get(family, _WEIGHT)
        table["behaviour.cap"][row, place] = max(weight.cap, 0.0)
        table["behaviour.reliability"][row, place] = min(max(weight.reliability, 0.0), 1.0)
