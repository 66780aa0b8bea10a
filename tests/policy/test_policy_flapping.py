"""Flapping: however trust swings, a guest's band changes seldom."""

import random
from itertools import pairwise

import pytest

from trustd.policy.bands import Relays
from trustd.policy.schema import Trust

BANDS = [
    {"name": "best", "enter": 0.8, "leave": 0.7},
    {"name": "good", "enter": 0.6, "leave": 0.5},
    {"name": "poor", "enter": 0.4, "leave": 0.3},
    {"name": "worst"},
]
HOUR = 3600.0
EVERY = 10.0
DWELL = 300.0
MOST = int(HOUR / DWELL) * len(BANDS) + len(BANDS)
"""Each rise takes a whole dwell; after it a guest can fall once through each band below."""


def changes(trusts: list[float]) -> int:
    """How often the band changes over these values of trust, one each ``EVERY`` seconds."""
    guest = Relays(Trust.model_validate({"bands": BANDS, "dwell": {"up": DWELL}, "stale": {}}))
    standing = guest.start("best", at=1000)
    seen = []
    for index, trust in enumerate(trusts):
        clock = index * EVERY
        standing = guest.step(standing, trust, at=1000 + clock, clock=clock, stale_for=0.0)
        seen.append(standing.band)
    return sum(before != after for before, after in pairwise(seen))


@pytest.mark.parametrize("half", [10.0, 60.0, 150.0, 290.0])
def test_flapping_trust_changes_bands_seldom(half: float) -> None:
    """Trust that swings from end to end faster than the dwell changes nothing after its fall."""
    trusts = [0.9 if int(at * EVERY / half) % 2 == 0 else 0.1 for at in range(int(HOUR / EVERY))]
    assert changes(trusts) == 1


@pytest.mark.parametrize("seed", range(20))
def test_no_course_of_trust_changes_bands_often(seed: int) -> None:
    """An hour of any swings has a bounded number of changes, and some do change."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    trusts: list[float] = []
    while len(trusts) < HOUR / EVERY:
        trusts += [chance.choice((0.05, 0.35, 0.55, 0.75, 0.9))] * chance.randrange(1, 40)
    assert 0 < changes(trusts[: int(HOUR / EVERY)]) <= MOST
