"""One guest as a portable document: what it needs to be known on another host."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trustd.errors import StoreError
from trustd.model import FeatureSpec, GuestId, Severity
from trustd.trust import plain
from trustd.trust.columns import Array, Axis, Table
from trustd.trust.envelopes import SILENCE
from trustd.trust.fastlane import SOURCE
from trustd.trust.ledger import OpenFinding

FORMAT = "trustd-guest"
VERSION = 1
LOCAL = ("behaviour.", "window.", "shown.", "ceiling", "floor")
"""What another host has for itself, or makes anew."""
ON_CLOCK = ("hold.until", "hold.next")
WORST_IS_LEAST = ("trust", "good")
WORST_IS_MOST = ("bad", "latch", "agreed", "repeats", "hold.until")
NOTABLE = 0.1
"""Bad evidence below which nothing is held against a guest, as of a minor finding that faded."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that can be taken over.

    Args:
        columns: by name, with the labels of the document.
        families: of the document, in its order.
    """

    guest: GuestId
    columns: Mapping[str, tuple[Axis, Array]]
    features: tuple[FeatureSpec, ...]
    families: tuple[str, ...]
    findings: tuple[OpenFinding, ...]


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
    for name, column in table.schema.items():
        if not name.startswith(LOCAL):
            held = table.row(name, row).astype(float)
            moved = held - clock if name in ON_CLOCK else held
            columns[name] = [column.per, column.depth, plain.array(np.atleast_1d(moved))]
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


def check(saved: Mapping[str, Any], clock: float) -> Checked:
    """Read a document; nothing is changed by it yet.

    Args:
        clock: the engine's, from which what is left of findings and holds counts.

    Raises:
        StoreError: it is another format or version, or damaged.
    """
    if saved.get("format") != FORMAT:
        raise StoreError(f"this is no guest's document: its format is not {FORMAT!r}")
    if saved.get("version") != VERSION:
        raise StoreError(
            f"the guest's document has version {saved.get('version')!r}, this is {VERSION};"
            " export it anew with a release that knows both"
        )
    rest = {key: value for key, value in saved.items() if key != "sha256"}
    if saved.get("sha256") != _digest(rest):
        raise StoreError("the guest's document is damaged: its digest does not fit; export it anew")
    try:
        return _read(saved, clock)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"the guest's document is damaged: {error!r}; export it anew") from error


def restore(table: Table, row: int, checked: Checked, features: Sequence[FeatureSpec]) -> None:
    """Write a document into a row.

    A guest that was measured here keeps what is known of it, and of trust and
    evidence it gets the worse of both.
    """
    newcomer = float(table["age"][row]) <= 0.0
    for name, here, there in _beside(table, row, checked, features):
        if newcomer:
            here[...] = there
        elif name in WORST_IS_LEAST:
            np.minimum(here, there, out=here)
        elif name in WORST_IS_MOST:
            np.maximum(here, there, out=here)
    table["trust"][row] = np.clip(np.nan_to_num(table["trust"][row]), 0.0, 1.0)


def burden(table: Table, row: int, checked: Checked, features: Sequence[FeatureSpec]) -> None:
    """Write what a document holds against its guest into another guest's row.

    What is good of it is its own: neither evidence nor habits go along.
    """
    for name, here, there in _beside(table, row, checked, features):
        if name in WORST_IS_MOST or name == "blame":
            np.maximum(here, there, out=here)
        elif name == "trust":
            np.minimum(here, there, out=here)


def accuses(checked: Checked, base_rate: float) -> bool:
    """Whether anything is held against a document's guest.

    Args:
        base_rate: trust in a guest of which nothing is known.
    """

    def most(name: str) -> float:
        column = checked.columns.get(name)
        return float(column[1].sum()) if column is not None else 0.0

    return (
        trust_of(checked) < base_rate
        or most("bad") >= NOTABLE
        or most("latch") > 1.0
        or any(each.severity is not Severity.INFO for each in checked.findings)
    )


def trust_of(checked: Checked) -> float:
    """The trust of a document's guest."""
    return float(checked.columns["trust"][1][0])


def _beside(
    table: Table, row: int, checked: Checked, features: Sequence[FeatureSpec]
) -> Iterator[tuple[str, Array, Array]]:
    """By column, every place of a row, to be written to, beside the document's."""
    theirs = {each.name: (place, each.unit) for place, each in enumerate(checked.features)}
    pairs: dict[Axis, list[tuple[int, int]]] = {
        "guest": [(0, 0)],
        "feature": [
            (place, theirs[each.name][0])
            for place, each in enumerate(features)
            if each.name in theirs and theirs[each.name][1] is each.unit
        ],
        "family": [
            (table.labels["family"].index(label), place)
            for place, label in enumerate(checked.families)
        ],
    }
    for name, (axis, saved) in checked.columns.items():
        column = table.schema.get(name)
        held = np.atleast_1d(table.row(name, row)) if column else saved
        if column is None or column.per != axis or held.ndim != saved.ndim:
            continue
        for mine, its in pairs[axis]:
            yield name, held[..., mine : mine + 1], saved[..., its : its + 1]


def _read(saved: Mapping[str, Any], clock: float) -> Checked:
    guest = GuestId(str(saved["guest"]))
    features = tuple(plain.as_feature(each) for each in saved["features"])
    families = tuple(map(str, saved["families"]))
    lengths = {"guest": 1, "feature": len(features), "family": len(families)}
    columns = {}
    for name, (per, depth, values) in saved["columns"].items():
        shape = (depth, lengths[per]) if depth else (lengths[per],)
        held = plain.as_array(values, shape)
        if name in ON_CLOCK:
            held = held + clock
        elif bool((held < 0).any()):
            raise ValueError(f"{name} is below zero")
        columns[name] = (per, held)
    entries = [plain.as_open_finding(each, guest, clock) for each in saved["findings"]]
    # An envelope is this host's own statement: one that is not crossed here ends.
    findings = tuple(
        replace(each, until=min(each.until, clock + SILENCE))
        if each.finding.source == SOURCE
        else each
        for each in entries
    )
    return Checked(guest, columns, features, families, findings)


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
