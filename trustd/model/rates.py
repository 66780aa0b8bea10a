"""Columns of numbers, and rates from two consecutive answers of the hypervisor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trustd.model.features import GapReason
from trustd.model.table import DeviceTable, FloatArray, ReplyTable

GapArray = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Columns:
    """What a collector gives for the fleet: numbers, and reasons where none is.

    Args:
        values: shape (guests, features); NaN exactly where ``gaps`` is not 0.
        gaps: shape (guests, features), codes of :class:`GapReason`.
    """

    values: FloatArray
    gaps: GapArray

    @classmethod
    def stack(cls, parts: Sequence[Columns]) -> Columns:
        """Columns side by side; each part has one or more features."""
        return cls(
            np.concatenate([part.values for part in parts], axis=1),
            np.concatenate([part.gaps for part in parts], axis=1),
        )

    @classmethod
    def missing(cls, guests: int, features: int, reason: GapReason) -> Columns:
        """No numbers at all, for one reason."""
        return cls(
            np.full((guests, features), np.nan),
            np.full((guests, features), reason, dtype=np.int8),
        )


def gauge(values: FloatArray) -> Columns:
    """One feature from numbers as they are, shape (guests,).

    >>> gauge(np.array([7.0, np.nan])).gaps[:, 0].tolist()
    [0, 3]
    """
    gaps = np.where(np.isfinite(values), GapReason.PRESENT, GapReason.NOT_REPORTED)
    return Columns(np.where(gaps == 0, values, np.nan)[:, None], gaps.astype(np.int8)[:, None])


def total(parts: Sequence[Columns]) -> Columns:
    """One feature: the sum of several; a gap where any of them is one.

    >>> one, none = gauge(np.array([1.0, 2.0])), gauge(np.array([5.0, np.nan]))
    >>> total([one, none]).values[:, 0].tolist(), total([one, none]).gaps[:, 0].tolist()
    ([6.0, nan], [0, 3])
    """
    values = parts[0].values.copy()
    gaps = parts[0].gaps.copy()
    for part in parts[1:]:
        values += part.values
        np.copyto(gaps, part.gaps, where=gaps == GapReason.PRESENT)
    return Columns(values, gaps)


def scaled(part: Columns, factor: float | FloatArray) -> Columns:
    """Every number times a factor, which is one for all or one a guest.

    A factor that is no number is a field that was not reported.

    >>> scaled(gauge(np.array([3.0, 4.0])), np.array([2.0, np.nan])).gaps[:, 0].tolist()
    [0, 3]
    """
    factors = np.broadcast_to(np.asarray(factor, dtype=np.float64), len(part.values))[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        values = part.values * factors
    lost = (part.gaps == GapReason.PRESENT) & ~np.isfinite(values)
    return Columns(
        np.where(lost, np.nan, values),
        np.where(lost, np.int8(GapReason.NOT_REPORTED), part.gaps),
    )


def while_running(part: Columns, before: ReplyTable, after: ReplyTable) -> Columns:
    """Without the numbers of guests that stood still at either reply.

    A paused guest uses nothing because it may not, which says nothing about it;
    and a rate over an interval in which it was resumed is too small.
    """
    standing = np.isin(after.column("state.state"), _STANDING)[:, None]
    stood = np.isin(before.column("state.state"), _STANDING)[:, None]
    halted = standing | (stood & (part.gaps == GapReason.PRESENT))
    return Columns(
        np.where(halted, np.nan, part.values),
        np.where(halted, np.int8(GapReason.NOT_RUNNING), part.gaps),
    )


_STANDING = (3.0, 4.0, 5.0, 6.0)
"""libvirt's states: paused, shutting down, shut off, crashed. A guest that put itself
to sleep (7) is not among them: it chooses when, and would not be measured again."""


def counter_rate(before: FloatArray, after: FloatArray, seconds: FloatArray) -> Columns:
    """One feature from a counter, in counts a second, shape (guests,) each.

    A counter that went backwards is a gap: whether it wrapped or began anew
    cannot be told, and a guess would be a spike. One that is negative, or larger
    than 64 bits hold, is none.

    >>> rate = counter_rate(np.array([10.0, 9.0]), np.array([30.0, 3.0]), np.array([2.0, 2.0]))
    >>> rate.values[:, 0].tolist(), rate.gaps[:, 0].tolist()
    ([10.0, nan], [0, 2])
    """
    with np.errstate(all="ignore"):
        values = (after - before) / seconds
        gaps = np.where(after < before, np.int8(GapReason.RESET), np.int8(GapReason.PRESENT))
        gaps[~is_interval(seconds)] = GapReason.NO_TIME
        gaps[~_is_count(before)] = GapReason.FIRST
        gaps[~_is_count(after)] = GapReason.NOT_REPORTED
    values[gaps != GapReason.PRESENT] = np.nan
    return Columns(values[:, None], gaps[:, None])


def _is_count(values: FloatArray) -> NDArray[np.bool_]:
    return (values >= 0) & (values <= _LARGEST_COUNT)


_LARGEST_COUNT = 2.0**64


def is_interval(seconds: FloatArray) -> NDArray[np.bool_]:
    """Whether a rate can be had over this time; under a millisecond it is noise.

    >>> is_interval(np.array([2.0, 0.0, np.nan, np.inf])).tolist()
    [True, False, False, False]
    """
    return (seconds >= _LEAST_SECONDS) & (seconds < np.inf)


_LEAST_SECONDS = 1e-3


def device_rate(
    before: DeviceTable, after: DeviceTable, field_name: str, seconds: FloatArray
) -> Columns:
    """One feature: a counter's rate summed over each guest's devices.

    A device that was plugged in since has no rate yet and is left out; so is one
    whose counter went backwards. Where nothing remains, the gap says why.

    Args:
        before, after: the same guests in the same rows.
        field_name: the counter, without the device's prefix.
        seconds: shape (guests,).
    """
    guests, owner = len(seconds), after.owner
    earlier = after.earlier_column(before, field_name)
    rates = counter_rate(earlier, after.column(field_name), seconds[owner])
    value, gap = rates.values[:, 0], rates.gaps[:, 0]
    present = gap == GapReason.PRESENT
    summed = np.bincount(owner[present], weights=value[present], minlength=guests)
    measured = np.bincount(owner[present], minlength=guests) > 0
    gaps = np.where(after.none, np.int8(GapReason.NO_DEVICE), np.int8(GapReason.NOT_REPORTED))
    gaps[owner] = gap
    gaps[measured] = GapReason.PRESENT
    return Columns(np.where(measured, summed, np.nan)[:, None], gaps[:, None])
