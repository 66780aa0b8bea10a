"""The samples of all guests at one tick: columns, of which each guest has a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from trustd.model.features import Gap, GapReason
from trustd.model.rates import GapArray
from trustd.model.table import FloatArray, IndexArray


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


class Samples(Mapping[str, float | Gap]):
    """One guest's row of a frame, read as a mapping; nothing is copied."""

    __slots__ = ("frame", "row")

    def __init__(self, frame: Frame, row: int) -> None:
        self.frame = frame
        self.row = row

    def __getitem__(self, name: str) -> float | Gap:
        column = self.frame.columns[name]
        reason = int(self.frame.gaps[self.row, column])
        return Gap(GapReason(reason)) if reason else float(self.frame.values[self.row, column])

    def __iter__(self) -> Iterator[str]:
        return iter(self.frame.columns)

    def __len__(self) -> int:
        return len(self.frame.columns)


def gathered(
    guests: Collection[Mapping[str, float | Gap]], features: Sequence[str]
) -> tuple[FloatArray, GapArray]:
    """The samples of some guests side by side again.

    Args:
        features: their names, in the order of the columns.

    Returns:
        Values and gaps, each of shape (guests, features). A feature that a guest does not
        have is neither: NaN, and no reason.

    >>> frame = Frame({"a": 0, "b": 1}, np.array([[1.0, nan]]), np.array([[0, 4]], np.int8))
    >>> values, gaps = gathered([Samples(frame, 0), {"b": 2.0}], ["b", "a"])
    >>> values.tolist(), gaps.tolist()
    ([[nan, 1.0], [2.0, nan]], [[4, 0], [0, 0]])
    """
    shared = _shared(guests)
    if shared is not None and all(name in shared[0].columns for name in features):
        frame, rows = shared
        columns = [frame.columns[name] for name in features]
        return frame.values[rows[:, None], columns], frame.gaps[rows[:, None], columns]
    found = [[each.get(name, nan) for name in features] for each in guests]
    shape = len(found), len(features)
    values = [[nan if isinstance(one, Gap) else one for one in row] for row in found]
    gaps = [[one.reason if isinstance(one, Gap) else 0 for one in row] for row in found]
    return np.array(values, float).reshape(shape), np.array(gaps, np.int8).reshape(shape)


def gap_counts(guests: Collection[Mapping[str, float | Gap]]) -> Mapping[GapReason, int]:
    """How many samples of some guests are missing, by reason.

    >>> counts = gap_counts([{"a": Gap(GapReason.FIRST), "b": 1.0}])
    >>> counts[GapReason.FIRST], sum(counts.values())
    (1, 1)
    """
    shared = _shared(guests)
    if shared is not None:
        frame, rows = shared
        counts = np.bincount(frame.gaps[rows].ravel(), minlength=len(GapReason)).tolist()
    else:
        samples = (one for each in guests for one in each.values())
        found = Counter(one.reason for one in samples if isinstance(one, Gap))
        counts = [found[reason] for reason in GapReason]
    return {reason: counts[reason] for reason in GapReason if reason is not GapReason.PRESENT}


def _shared(guests: Collection[Mapping[str, float | Gap]]) -> tuple[Frame, IndexArray] | None:
    """The frame of which all are rows, and which: so it is with the guests of one tick.

    Then one look at two arrays serves, and not one at every sample of every guest.
    """
    rows: list[int] = []
    frame: Frame | None = None
    for each in guests:
        if not isinstance(each, Samples) or each.frame is not (frame := frame or each.frame):
            return None
        rows.append(each.row)
    return None if frame is None else (frame, np.array(rows, np.intp))
