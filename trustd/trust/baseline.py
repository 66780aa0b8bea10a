"""What is expected of a guest: a slow level, an hour-of-day profile, a scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trustd.trust.columns import Array, Column, Table

HOURS = 24
CLIP = 3.0
"""Residuals teach no more than this many sigmas: learning never stops, and an
attack teaches slowly."""
CLIP_SCALE = 4.0
_MEAN_TO_SIGMA = 1.25
"""Sigma over mean absolute deviation of a normal residual."""
_TINY = np.float32(1e-12)
COLUMNS = {
    "level": Column(),
    "level.seen": Column(),
    "profile": Column(depth=HOURS),
    "profile.seen": Column(depth=HOURS, dtype="u1"),
    "level.error": Column(),
    "profile.error": Column(),
    "spread": Column(),
}
MANY = 255
"""Visits of an hour that are counted; more make no difference."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What was expected, in compressed units, shape (guests, features).

    Args:
        level: the slow level.
        profile: the level at this hour of the day.
        blend: of the two, weighted by how wrong each was lately.
        sigma: the scale of the blend's residual.
    """

    level: Array
    profile: Array
    blend: Array
    sigma: Array


def expect(table: Table, hour: int, floor: float) -> Expectation:
    """The expectation before the window is seen."""
    level = table["level"].copy()
    seen = table["profile.seen"][hour] > 0
    profile = np.where(seen, table["profile"][hour], level)
    of_level, of_profile = table["level.error"] ** 2, table["profile.error"] ** 2
    weight = of_level / (of_level + of_profile + _TINY)
    blend = level + weight * (profile - level)
    sigma = np.maximum(_MEAN_TO_SIGMA * table["spread"], floor)
    return Expectation(level, profile, blend, sigma)


def learn(
    table: Table,
    expected: Expectation,
    compressed: Array,
    *,
    hour: int,
    share: float,
    profile_share: float,
) -> None:
    """Move the baseline towards a window, clipped.

    Args:
        compressed: what came, shape (guests, features); NaN teaches nothing.
        share: the window's weight in the slow memory, in (0, 1).
        profile_share: the same in the memory of this hour of the day.
    """
    present = np.isfinite(compressed)
    seen = table["level.seen"]
    seen += present
    weight = np.maximum(share, 1.0 / np.maximum(seen, 1.0))
    weight *= present
    first = present & (seen <= 1.0)
    later = weight * ~first
    value = np.where(present, compressed, expected.level)
    reach = CLIP * expected.sigma
    for name, held, miss in (
        ("level", "level.error", value - expected.level),
        ("profile", "profile.error", value - expected.profile),
    ):
        bounded = np.clip(miss, -reach, reach)
        np.copyto(bounded, miss, where=first)
        if name == "level":
            table["level"][...] += weight * bounded
        else:
            profile, visits = table["profile"][hour], table["profile.seen"][hour]
            step = np.maximum(profile_share, 1.0 / (visits.astype("f4") + 1.0))
            step *= present
            profile += step * bounded
            # The first window of an hour is its profile; later ones move it.
            np.copyto(profile, value, where=present & (visits == 0))
            visits += present & (visits < MANY)
        error = np.abs(bounded)
        error -= table[held]
        table[held][...] += later * error
    miss = np.minimum(np.abs(value - expected.blend), CLIP_SCALE * expected.sigma)
    miss -= table["spread"]
    table["spread"][...] += later * miss
