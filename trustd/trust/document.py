"""One guest as a portable document: what it needs to be known on another host."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trustd.errors import StoreError
from trustd.model import FeatureSpec, GuestId
from trustd.trust import plain
from trustd.trust.columns import Table
from trustd.trust.ledger import OpenFinding

FORMAT = "trustd-guest"
VERSION = 1
LOCAL = ("behaviour.", "window.", "shown.", "ceiling", "floor")
"""What another host has for itself, or makes anew."""
ON_CLOCK = ("hold.until", "hold.next")
SIGNED = ("level", "profile")
"""Quantities that may be below zero."""
WORST_IS_LEAST = ("trust", "good")
WORST_IS_MOST = ("bad", "latch", "agreed", "repeats", "hold.until")


def export(
    table: Table,
    row: int,
    guest: GuestId,
    *,
    features: Sequence[FeatureSpec],
    found: Sequence[OpenFinding],
    clock: float,
    at: float,
) -> dict[str, Any]:
    """All that is known of a guest, as values that JSON can carry."""
    columns = {}
    for name in _portable(table):
        held = table.row(name, row).astype(float)
        moved = held - clock if name in ON_CLOCK else held
        columns[name] = plain.array(np.atleast_1d(moved))
    whole: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "guest": guest,
        "at": at,
        "features": [plain.feature(each) for each in features],
        "families": list(table.labels["family"]),
        "columns": columns,
        "findings": [plain.open_finding(each, clock) for each in found],
    }
    return {**whole, "sha256": _digest(whole)}


def check(document: Mapping[str, Any]) -> None:
    """Refuse a document that cannot be trusted to be what was exported.

    Raises:
        StoreError: it is another format or version, or damaged.
    """
    if document.get("format") != FORMAT:
        raise StoreError(f"this is no guest's document: its format is not {FORMAT!r}")
    if document.get("version") != VERSION:
        raise StoreError(
            f"the guest's document has version {document.get('version')!r}, this is {VERSION};"
            " export it anew with a release that knows both"
        )
    rest = {key: value for key, value in document.items() if key != "sha256"}
    if document.get("sha256") != _digest(rest):
        raise StoreError("the guest's document is damaged: its digest does not fit; export it anew")


def restore(
    table: Table,
    row: int,
    document: Mapping[str, Any],
    *,
    features: Sequence[FeatureSpec],
    clock: float,
    newcomer: bool,
) -> None:
    """Write a checked document into a row.

    Args:
        newcomer: whether nothing is known of the guest here. Otherwise what is
            known stays, and of trust and evidence the worse of both.

    Raises:
        StoreError: a column is not what it should be.
    """
    theirs = [plain.as_feature(each) for each in document["features"]]
    measures = {each.name: (each.unit, place) for place, each in enumerate(theirs)}
    feature_pairs = [
        (place, measures[each.name][1])
        for place, each in enumerate(features)
        if each.name in measures and measures[each.name][0] is each.unit
    ]
    families = list(document["families"])
    family_pairs = [
        (place, families.index(label))
        for place, label in enumerate(table.labels["family"])
        if label in families
    ]
    pairs = {"guest": [(0, 0)], "feature": feature_pairs, "family": family_pairs}
    lengths = {"guest": 1, "feature": len(theirs), "family": len(families)}
    for name in _portable(table):
        column = table.schema[name]
        if name not in document["columns"]:
            continue
        deep = (column.depth,) if column.depth else ()
        saved = plain.as_array(document["columns"][name], (*deep, lengths[column.per]))
        if name in ON_CLOCK:
            saved = saved + clock
        elif name not in SIGNED and bool((saved < 0).any()):
            raise StoreError(f"{name} of the guest's document is below zero; it is damaged")
        held = np.atleast_1d(table.row(name, row))
        for mine, its in pairs[column.per]:
            if newcomer:
                held[..., mine] = saved[..., its]
            elif name in WORST_IS_LEAST:
                held[..., mine] = np.minimum(held[..., mine], saved[..., its])
            elif name in WORST_IS_MOST:
                held[..., mine] = np.maximum(held[..., mine], saved[..., its])
    table["trust"][row] = np.clip(np.nan_to_num(table["trust"][row]), 0.0, 1.0)


def _portable(table: Table) -> list[str]:
    return [name for name in table if not name.startswith(LOCAL)]


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
