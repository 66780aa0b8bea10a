"""From deviations to evidence: bounded, gathered at two paces.

The fast pace sees within minutes what is plain; the slow one sees a little over a
long time. Each compares what has gathered with the guest's own record.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trustd.trust.columns import Array, Column, Table
from trustd.trust.settings import Settings

MOST = 4.0
"""The most that rarity and size may each say of one window."""
UNIT = 300.0
"""Seconds of evidence that one unit of gathered evidence stands for."""
SHARES = (1.0, 0.5, 0.25)
"""Of several resources the worst counts whole, the next half, one more a quarter."""
_DECADE = np.float32(1.0 / np.log(10.0))


def columns(paces: int) -> dict[str, Column]:
    """What is remembered of gathered evidence."""
    return {"heap": Column(depth=paces), "since": Column(fill=np.nan, dtype="f8")}


def surprise(own: Array, deviation: Array) -> Array:
    """How unexpected a window is, in [0, 4]: its rarity and its size, evenly.

    >>> surprise(np.array([1.0, 0.01, 1e-6]), np.array([0.0, 4.0, 99.0])).tolist()
    [0.0, 1.5, 4.0]

    Args:
        own: probability in the guest's experience.
        deviation: in sigmas.
    """
    rare = np.minimum(np.log(own) * -_DECADE, MOST)
    large = np.minimum(deviation * 0.25, MOST)
    return np.asarray((rare + large).round(6) * 0.5)


class Heap:
    """Gathers evidence at some paces.

    Args:
        groups: of each feature, the place of its resource group.
    """

    def __init__(self, settings: Settings, groups: Sequence[int]) -> None:
        self._settings = settings
        self._members = [
            [place for place, each in enumerate(groups) if each == group]
            for group in range(max(groups) + 1)
        ]

    def add(
        self, table: Table, fresh: Sequence[Array], seconds: float, at: float, seen: Array
    ) -> None:
        """Add a window's evidence to what fades; it stays as it is of who was not measured.

        Args:
            fresh: a pace each, shape (guests, features); 0 where nothing was measured.
            at: epoch seconds.
            seen: whether anything of a guest was measured, shape (guests,).
        """
        settings, since = self._settings, table["since"]
        weight = min(seconds, settings.window) / UNIT
        quiet = np.ones(since.shape, dtype=bool)
        for heap, pace, said in zip(table["heap"], settings.paces, fresh, strict=True):
            np.multiply(heap, 2.0 ** (-seconds / pace.fade), out=heap, where=seen[:, None])
            np.add(heap, weight * np.clip(said - settings.slack, 0.0, pace.step), out=heap)
            quiet &= heap < settings.slack
        np.copyto(since, at, where=np.isnan(since) & ~quiet)
        np.copyto(since, np.nan, where=quiet)

    def beyond(self, table: Table) -> list[Array]:
        """Evidence beyond the record, in units of which one crosses, a pace each.

        A newcomer needs more of it, because its record is short.
        """
        settings = self._settings
        allowance = 1.0 + settings.young * np.exp2(-table["age"] / settings.youth)
        return [
            np.maximum(heap - pace.excess * record, 0.0)
            / (pace.crossing * allowance).astype("f4")[:, None]
            for heap, record, pace in zip(
                table["heap"], table["record"], settings.paces, strict=True
            )
        ]

    def by_group(self, net: Array) -> Array:
        """The worst feature of each resource, shape (groups, guests)."""
        return np.stack(
            [np.maximum.reduce([net[:, place] for place in members]) for members in self._members]
        )


def together(by_group: Array) -> tuple[Array, Array]:
    """Several resources of one source together.

    >>> nu, agree = together(np.array([[0.2], [1.0], [0.4]]))
    >>> nu.round(2).tolist(), agree.tolist()
    ([1.25], [0.4])

    Args:
        by_group: shape (groups, guests).

    Returns:
        The sum with diminishing shares, and how far a second resource agrees in
        [0, 1]; shape (guests,) each.
    """
    ordered = np.sort(by_group, axis=0)[::-1]
    nu = np.zeros(by_group.shape[1])
    for share, of_group in zip(SHARES, ordered, strict=False):
        nu += share * of_group
    alone = len(ordered) == 1
    return nu, np.zeros(len(nu)) if alone else np.clip(ordered[1], 0.0, 1.0)
