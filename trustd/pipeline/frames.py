"""Two consecutive readings side by side, and the samples that come of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trustd.model import (
    Columns,
    FeatureSpec,
    FloatArray,
    Frame,
    GapArray,
    GapReason,
    GuestId,
    GuestReading,
    GuestState,
    Reading,
    ReplyTable,
    Stats,
)

_NOTHING: Stats = {}


@dataclass(frozen=True, slots=True)
class Pair:
    """The last and the present statistics of some guests, in the same rows.

    Args:
        seconds: between the two, shape (guests,); NaN where there is no pair.
        reasons: why a guest's row has no pair, codes of :class:`GapReason`,
            shape (guests,); 0 where it has one.
        partial: whether the row is what can be had without the emulator.
    """

    before: ReplyTable
    after: ReplyTable
    seconds: FloatArray
    reasons: GapArray
    partial: np.ndarray[tuple[int], np.dtype[np.bool_]]


class Pairing:
    """Keeps the last readings of each guest, to pair them with the next.

    A whole reading is paired with the last whole one, so that a counter that
    the fallback cannot read is measured over the whole gap; a partial one with
    whatever came last.
    """

    def __init__(self) -> None:
        self._whole: dict[GuestId, GuestReading] = {}
        self._last: dict[GuestId, GuestReading] = {}
        self._table: ReplyTable | None = None

    def forget(self, guest: GuestId) -> None:
        """Drop a guest that is gone."""
        self._whole.pop(guest, None)
        self._last.pop(guest, None)

    def pair(self, order: Sequence[GuestId], reading: Reading, longest: float) -> Pair:
        """Pair a new reading with the ones before, and keep it.

        Args:
            order: the rows.
            longest: seconds above which two readings are too far apart for a rate.
        """
        count = len(order)
        before: list[Stats] = [_NOTHING] * count
        after: list[Stats] = [_NOTHING] * count
        seconds = np.full(count, np.nan)
        reasons = np.zeros(count, dtype=np.int8)
        partial = np.zeros(count, dtype=np.bool_)
        for row, guest in enumerate(order):
            new = reading.guests.get(guest)
            if new is None:
                reasons[row] = GapReason.UNREACHABLE if reading.error else GapReason.NOT_RUNNING
                continue
            old = (self._whole if new.whole else self._last).get(guest)
            self._last[guest] = new
            if new.whole:
                self._whole[guest] = new
            partial[row] = not new.whole
            if new.state not in _MEASURED:
                reasons[row] = GapReason.NOT_RUNNING
                continue
            after[row] = new.stats
            if old is not None:
                before[row] = old.stats
                elapsed = new.clock - old.clock
                seconds[row] = elapsed if elapsed <= longest else np.nan
        later = ReplyTable(after)
        pair = Pair(self._earlier(before), later, seconds, reasons, partial)
        self._table = later
        return pair

    def _earlier(self, rows: list[Stats]) -> ReplyTable:
        """The last tick's table where it holds the same rows: its columns are made."""
        table = self._table
        if table is None or len(table) != len(rows):
            return ReplyTable(rows)
        # identity, not equality: the statistics of a tick are never changed
        same = all(mine is theirs for mine, theirs in zip(rows, table.rows, strict=True))
        return table if same else ReplyTable(rows)


_MEASURED = (GuestState.RUNNING, GuestState.UNKNOWN)


def framed(features: Sequence[FeatureSpec], measured: Columns, pair: Pair) -> Frame:
    """The collectors' columns, with the reason of a whole row in its gaps."""
    values, gaps = measured.values, measured.gaps
    whole_row = (pair.reasons != GapReason.PRESENT)[:, None]
    unanswered = pair.partial[:, None] & (gaps != GapReason.PRESENT)
    return Frame(
        {feature.name: index for index, feature in enumerate(features)},
        np.where(whole_row, np.nan, values),
        np.where(
            whole_row,
            pair.reasons[:, None],
            np.where(unanswered, np.int8(GapReason.UNRESPONSIVE), gaps),
        ),
    )
