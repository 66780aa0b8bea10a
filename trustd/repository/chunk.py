"""A stretch of one guest's history as it lies in the repository."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from trustd.errors import StoreError
from trustd.model import GuestId
from trustd.repository.points import (
    KEPT_BITS,
    Points,
    Times,
    Values,
    packed,
    packed_times,
    unpacked,
    unpacked_times,
)

TRUST = ("trust", "uncertainty", "band", "freshness")
"""The first columns: two numbers, and the places of two words in the layout's lists."""
STEPS = (0.0, 60.0, 3600.0)
"""Seconds for which a point of each tier stands; 0 is one tick."""
_PLANES = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a chunk mean.

    Args:
        bands: of the policy, best first.
        freshness: its words.
        features: the columns after those of trust.
    """

    bands: tuple[str, ...]
    freshness: tuple[str, ...]
    features: tuple[str, ...]

    def document(self) -> str:
        """As it is stored."""
        return orjson.dumps([self.bands, self.freshness, self.features]).decode()

    @classmethod
    def parsed(cls, document: str) -> Layout:
        """As it was stored.

        Raises:
            StoreError: it was not.
        """
        try:
            bands, freshness, features = orjson.loads(document)
            return cls(tuple(bands), tuple(freshness), tuple(features))
        except (ValueError, TypeError) as error:
            raise StoreError(f"the layout of a timeline is not readable: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Block:
    """Ticks of many guests, as the line left them.

    Args:
        at: epoch seconds, ascending, shape (ticks,).
        values: shape (ticks, guests, columns).
        present: whether a guest was there, shape (ticks, guests).
    """

    layout: Layout
    guests: tuple[GuestId, ...]
    at: Times
    values: Values
    present: NDArray[np.bool_]


class Chunk(NamedTuple):
    """A row of the repository.

    Args:
        first, last: epoch seconds of its first and its last point.
        times, trust, samples: packed.
    """

    guest: GuestId
    tier: int
    layout: Layout
    first: float
    last: float
    points: int
    times: bytes
    trust: bytes
    samples: bytes


def chunks_of(block: Block) -> Iterator[Chunk]:
    """A chunk for each guest of a block."""
    for place, guest in enumerate(block.guests):
        there = block.present[:, place]
        values = np.ascontiguousarray(block.values[there, place].T)
        yield chunk_of(guest, 0, block.layout, Points.of_ticks(block.at[there], values))


def chunk_of(guest: GuestId, tier: int, layout: Layout, points: Points) -> Chunk:
    """Points as they are stored; there is one at least."""
    planes = (points.mean,) if tier == 0 else (points.mean, points.low, points.high)
    trust, count = len(TRUST), len(points.at)
    return Chunk(
        guest,
        tier,
        layout,
        float(points.at[0]),
        float(points.at[-1]),
        count,
        packed_times(points.at, points.ticks),
        packed(np.concatenate([plane[:trust] for plane in planes])),
        packed(np.concatenate([plane[trust:] for plane in planes]), KEPT_BITS),
    )


def points_of(
    tier: int, count: int, times: bytes, blob: bytes, columns: int, *, wanted: slice = slice(None)
) -> Points:
    """Points as they were stored.

    Args:
        count: how many.
        blob: some columns of them, packed.
        columns: how many columns.
        wanted: which of these columns are read.

    Raises:
        StoreError: they cannot be read.
    """
    try:
        at, ticks = unpacked_times(times, count)
        if tier == 0:
            mean = low = high = unpacked(blob, (columns, count), wanted)
        else:
            mean, low, high = unpacked(blob, (_PLANES, columns, count), wanted)
    except ValueError as error:
        raise StoreError(f"a stretch of history cannot be read: {error}") from error
    return Points(at, np.full(count, STEPS[tier]), ticks, mean, low, high)
