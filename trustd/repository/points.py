"""What is kept of a guest over time: points of many ticks, as columns.

Pure. A point stands for one tick, or for all ticks of a minute, an hour, a pixel.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float32]
Times: TypeAlias = NDArray[np.float64]

KEPT_BITS = 10
"""Of a sample's mantissa: it is kept to 0.05 %, and takes half the room."""
_MANTISSA = 23
_LEVEL = 1
"""Of zlib: the others save 5 % and cost up to three times as much."""
_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Points:
    """Some columns of one guest, oldest point first.

    Args:
        at: epoch seconds at which each begins, shape (points,).
        seconds: for which each stands, shape (points,); 0 for one tick.
        ticks: that each was made of, shape (points,).
        mean, low, high: shape (columns, points); NaN where nothing is known.
    """

    at: Times
    seconds: Times
    ticks: Times
    mean: Values
    low: Values
    high: Values

    @classmethod
    def of_ticks(cls, at: Times, values: Values) -> Points:
        """A point a tick.

        Args:
            values: shape (columns, ticks).
        """
        return cls(at, np.zeros(len(at)), np.ones(len(at)), values, values, values)

    def where(self, wanted: NDArray[np.bool_]) -> Points:
        """Only some of the points.

        Args:
            wanted: shape (points,).
        """
        return Points(
            self.at[wanted],
            self.seconds[wanted],
            self.ticks[wanted],
            self.mean[:, wanted],
            self.low[:, wanted],
            self.high[:, wanted],
        )


def joined(parts: Sequence[Points]) -> Points:
    """All points in the order of time, whatever the order of the parts.

    A clock that was set back makes parts that overlap.
    """
    at = np.concatenate([each.at for each in parts])
    order = np.argsort(at, kind="stable")
    return Points(
        at[order],
        np.concatenate([each.seconds for each in parts])[order],
        np.concatenate([each.ticks for each in parts])[order],
        np.concatenate([each.mean for each in parts], axis=1)[:, order],
        np.concatenate([each.low for each in parts], axis=1)[:, order],
        np.concatenate([each.high for each in parts], axis=1)[:, order],
    )


def rolled(points: Points, step: float, origin: float = 0.0) -> Points:
    """One point for all points of each step of time, at the first of them.

    >>> values = np.array([[1, np.nan, 3, np.nan]], np.float32)
    >>> minutes = rolled(Points.of_ticks(np.array([0.0, 5.0, 10.0, 61.0]), values), 60.0)
    >>> minutes.at.tolist(), minutes.mean.tolist(), minutes.high.tolist()
    ([0.0, 61.0], [[2.0, nan]], [[3.0, nan]])

    Args:
        points: in the order of time.
        step: seconds.
        origin: epoch seconds at which a step begins.
    """
    if not len(points.at):
        return points
    place = np.floor((points.at - origin) / step)
    starts = np.flatnonzero(np.diff(place, prepend=place[0] - 1))
    known = ~np.isnan(points.mean)
    weight = np.where(known, points.ticks, 0.0)
    total = np.add.reduceat(np.where(known, points.mean, 0.0) * weight, starts, axis=1)
    weights = np.add.reduceat(weight, starts, axis=1)
    mean = np.divide(total, weights, out=np.full(total.shape, np.nan), where=weights > 0)
    return Points(
        points.at[starts],
        np.maximum(np.maximum.reduceat(points.seconds, starts), step),
        np.add.reduceat(points.ticks, starts),
        mean.astype(np.float32),
        np.fmin.reduceat(points.low, starts, axis=1),
        np.fmax.reduceat(points.high, starts, axis=1),
    )


def packed(values: Values, bits: int = _MANTISSA) -> bytes:
    """Columns as compressed bytes.

    >>> kept = unpacked(packed(np.array([[1.5, np.nan], [1000.3, 0]], np.float32), 10), (2, 2))
    >>> kept.tolist()
    [[1.5, nan], [1000.5, 0.0]]

    Args:
        values: shape (columns, points).
        bits: of the mantissa that are kept.
    """
    kept = np.ascontiguousarray(values, dtype=np.float32)
    if bits < _MANTISSA:
        drop = _MANTISSA - bits
        mask = np.uint32((0xFFFFFFFF << drop) & 0xFFFFFFFF)
        whole = (kept.view(np.uint32) + np.uint32(1 << (drop - 1))) & mask
        kept = np.where(np.isfinite(kept), whole.view(np.float32), kept)
    # the first bytes of all numbers, then the second ones: they are alike
    planes = kept.view(np.uint8).reshape(*kept.shape, 4).transpose(2, 0, 1)
    return zlib.compress(planes.tobytes(), _LEVEL)


def unpacked(blob: bytes, shape: tuple[int, ...], wanted: slice = slice(None)) -> Values:
    """What :func:`packed` packed, or some of its columns.

    >>> blob = packed(np.array([[1, 2], [3, 4], [5, 6]], np.float32))
    >>> unpacked(blob, (3, 2), slice(1, 2)).tolist()
    [[3.0, 4.0]]

    Args:
        shape: (..., columns, points).
        wanted: the columns to return; only these are put together again.

    Raises:
        ValueError: it is something else.
    """
    try:
        planes = np.frombuffer(zlib.decompress(blob), np.uint8).reshape(4, *shape)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    some = np.moveaxis(planes[..., wanted, :], 0, -1)
    return np.ascontiguousarray(some).view(np.float32)[..., 0]


def packed_times(at: Times, ticks: Times) -> bytes:
    """When points are, to the millisecond, and of how many ticks each was made."""
    steps = np.diff(np.round(at * _MS).astype(np.int64), prepend=np.int64(0))
    return zlib.compress(np.stack([steps, ticks.astype(np.int64)]).tobytes(), _LEVEL)


def unpacked_times(blob: bytes, points: int) -> tuple[Times, Times]:
    """What :func:`packed_times` packed.

    >>> unpacked_times(packed_times(np.array([10.0, 15.25]), np.ones(2)), 2)
    (array([10.  , 15.25]), array([1., 1.]))

    Raises:
        ValueError: it is something else.
    """
    try:
        steps, ticks = np.frombuffer(zlib.decompress(blob), np.int64).reshape(2, points)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return np.cumsum(steps) / _MS, ticks.astype(np.float64)
