"""Two consecutive readings side by side, and the samples that come of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trustd.model import (
    Columns,
    FeatureSpec,
    FloatArray,
    Gap,
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


@dataclass(frozen=True, slots=True)
class Frame:
    """The samples of all guests at one tick.

    Args:
        columns: feature name to column.
        values: shape (guests, features); NaN where ``gaps`` is not 0.
        gaps: shape (guests, features), codes of :class:`GapReason`.
    """

    columns: Mapping[str, int]
    values: FloatArray
    gaps: GapArray

    @classmethod
    def of(cls, features: Sequence[FeatureSpec], measured: Columns, pair: Pair) -> Frame:
        """The collectors' columns, with the reason of a whole row in its gaps."""
        values, gaps = measured.values, measured.gaps
        whole_row = (pair.reasons != GapReason.PRESENT)[:, None]
        unanswered = pair.partial[:, None] & (gaps != GapReason.PRESENT)
        return cls(
            {feature.name: index for index, feature in enumerate(features)},
            np.where(whole_row, np.nan, values),
            np.where(
                whole_row,
                pair.reasons[:, None],
                np.where(unanswered, np.int8(GapReason.UNRESPONSIVE), gaps),
            ),
        )


class Samples(Mapping[str, float | Gap]):
    """One guest's row of a frame, read as a mapping; nothing is copied."""

    __slots__ = ("_frame", "_row")

    def __init__(self, frame: Frame, row: int) -> None:
        self._frame = frame
        self._row = row

    def __getitem__(self, name: str) -> float | Gap:
        column = self._frame.columns[name]
        reason = int(self._frame.gaps[self._row, column])
        return Gap(GapReason(reason)) if reason else float(self._frame.values[self._row, column])

    @property
    def numbers(self) -> FloatArray:
        """All of them in the features' order, shape (features,); NaN for a gap."""
        row: FloatArray = self._frame.values[self._row]
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(self._frame.columns)

    def __len__(self) -> int:
        return len(self._frame.columns)
