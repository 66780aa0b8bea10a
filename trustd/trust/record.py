"""What a guest did before without being held to account: its own records.

Evidence that a guest produces every night is its nature. A record is learned late
(the block before last), so an attack does not become the norm while it goes on,
and not while a crossing waits for an operator's word. That hold is bounded in
time: afterwards most of what was held is conceded, or a guest that changed its
ways for good would be locked out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trustd.trust.columns import Array, Column, Table

KINDS = ("record", "peak")
"""Gathered evidence, and the highest value itself, in real units."""


def columns(paces: int) -> Mapping[str, Column]:
    """Both records: of evidence by pace, and of values."""
    parts = ("", ".block", ".before", ".kept", ".held")
    return {f"record{part}": Column(depth=paces) for part in parts} | {
        f"peak{part}": Column() for part in parts
    }


def note(table: Table, values: Array) -> None:
    """Enter a window into the present block: what has gathered, and its values."""
    block = table["record.block"]
    np.maximum(block, table["heap"], out=block)
    highest = table["peak.block"]
    np.fmax(highest, values, out=highest)


def turn(table: Table, clock: float, *, keep: float, conceded: float) -> None:
    """Close a block.

    Args:
        clock: the engine's; a guest whose hold is not over learns nothing.
        keep: what remains of a record after a block.
        conceded: the share of what was held that counts afterwards.
    """
    free = table["hold.until"] <= clock
    for kind, share in zip(KINDS, (conceded, 1.0), strict=True):
        record, block = table[kind], table[f"{kind}.block"]
        before, kept = table[f"{kind}.before"], table[f"{kind}.kept"]
        may = free[:, None]
        record *= keep
        np.maximum(before, share * kept, out=before, where=may)
        np.maximum(record, before, out=record, where=may)
        kept[:] = np.where(may, 0.0, np.maximum(kept, block))
        np.copyto(before, block, where=may)
        block[:] = 0.0


def hold(table: Table, rows: Array) -> None:
    """Remember the records as they are, for the guests whose hold begins."""
    for kind in KINDS:
        table[f"{kind}.held"][..., rows, :] = table[kind][..., rows, :]


def teach(table: Table, row: int) -> None:
    """All that a guest did lately is normal: its records cover it."""
    for kind in KINDS:
        record = table.row(kind, row)
        for part in (".block", ".before", ".kept"):
            np.maximum(record, table.row(kind + part, row), out=record)
    record = table.row("record", row)
    np.maximum(record, table.row("heap", row), out=record)


def unteach(table: Table, row: int) -> None:
    """What a guest did since its crossing is not part of its records."""
    for kind in KINDS:
        record = table.row(kind, row)
        np.minimum(record, table.row(f"{kind}.held", row), out=record)
        for part in (".block", ".before", ".kept"):
            table.row(kind + part, row)[...] = 0.0
