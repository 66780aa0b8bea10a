"""How the resources of a guest move together, and when they no longer do.

A busy server that computes also reads and sends. Each resource may be within its
own habits while their combination is not: the distance (Mahalanobis) of a guest's
residuals in the covariance of its own resources says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trustd.trust.columns import Array, Column, Table

RIDGE = 0.05
"""Variance that every resource has at least, in compressed units."""
FURTHEST = 50.0
HALF_LIFE = 3 * 86400.0
FADE = 2700.0
"""Half-life of the distance as it is averaged, in seconds."""
CROSSING = 6.5
"""The averaged distance that is a crossing."""
ROUNDS = 12
"""Judgements in which every guest's covariance is inverted once."""


class Bonds:
    """The covariance of resources, and distances in it.

    Args:
        members: the features of each resource; with fewer than two there is
            nothing to compare.
    """

    def __init__(self, members: Sequence[Sequence[int]]) -> None:
        self._members = [list(each) for each in members]
        self.size = len(self._members)

    def columns(self) -> dict[str, Column]:
        """What is remembered: covariance, its inverse, the averaged distance."""
        depth = max(self.size, 1) ** 2
        return {
            "bond.covariance": Column("guest", depth),
            "bond.inverse": Column("guest", depth),
            "bond.heap": Column("guest"),
            "bond.round": Column("guest", dtype="f8"),
        }

    def judge(self, table: Table, residual: Array, matters: Array, seconds: float) -> Array:
        """Score a window, then learn from it.

        Args:
            residual: compressed, 0 where nothing is known; (guests, features).
            matters: materiality of the deviations, (guests, features).

        Returns:
            The averaged distance in crossings, as shares of the features that
            make it; shape (guests, features).
        """
        size, shares = self.size, np.zeros(residual.shape, dtype="f4")
        if size < 2:  # noqa: PLR2004 - one resource moves with nothing
            return shares
        parts, places = self._by_resource(residual)
        inverse = table["bond.inverse"].reshape(size, size, -1)
        terms = parts * np.einsum("ijn,jn->in", inverse, parts)
        square = terms.sum(axis=0)
        distance = np.minimum(np.sqrt(np.maximum(square, 0.0)), FURTHEST)
        distance *= np.minimum(2.0 * matters.max(axis=1), 1.0)
        heap, keep = table["bond.heap"], 2.0 ** (-seconds / FADE)
        heap *= keep
        heap += (1.0 - keep) * distance
        rising = np.maximum(terms, 0.0)
        rising /= np.maximum(rising.sum(axis=0), 1e-9)
        rows = np.arange(len(residual))
        for part, place in zip(rising, places, strict=True):
            shares[rows, place] = part * heap / CROSSING
        self._learn(table, parts, seconds)
        return shares

    def _by_resource(self, residual: Array) -> tuple[Array, Array]:
        """The largest residual of each resource and its feature, (resources, guests)."""
        parts, places = [], []
        for members in self._members:
            chosen = np.full(len(residual), members[0])
            largest = residual[:, members[0]].copy()
            for member in members[1:]:
                larger = np.abs(residual[:, member]) > np.abs(largest)
                np.copyto(largest, residual[:, member], where=larger)
                chosen[larger] = member
            parts.append(largest)
            places.append(chosen)
        return np.stack(parts), np.stack(places)

    def _learn(self, table: Table, parts: Array, seconds: float) -> None:
        size = self.size
        covariance = table["bond.covariance"].reshape(size, size, -1)
        rounds = table["bond.round"]
        rounds += 1.0
        weight = np.maximum(1.0 - 2.0 ** (-seconds / HALF_LIFE), 1.0 / rounds).astype("f4")
        covariance += weight * (parts[:, None] * parts[None] - covariance)
        table["bond.covariance"][...] = covariance.reshape(size * size, -1)
        due = np.flatnonzero((np.arange(len(rounds)) + rounds) % ROUNDS == 0)
        chosen = np.moveaxis(covariance[:, :, due], 2, 0) + RIDGE * np.eye(size, dtype="f4")
        inverted = np.moveaxis(np.linalg.inv(chosen), 0, 2)
        table["bond.inverse"][:, due] = inverted.reshape(size * size, -1)
