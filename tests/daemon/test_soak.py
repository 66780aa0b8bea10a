"""A daemon on a host on which guests come and go, over a time that runs fast."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.clock import Clock
from bench.soak import Look, Soak, grown

STEADY = Look(1.0, 120.0, 450_000, 2, 11, 3, 5_000_000, 9_000_000.0)


@pytest.fixture
def soak(tmp_path):
    clock = Clock()
    with clock.in_force():
        made = Soak(24, tmp_path, clock, 60.0)
        yield made
        made.standing.close()


@pytest.mark.slow
def test_nothing_grows_while_guests_come_and_go(soak) -> None:
    """Hours of churn, restarts of libvirtd and reloads leave no memory, file or thread behind.

    The audit trail is sound at the end, and the repository is as large as was foreseen.
    """
    soak.churn.hurry(60)
    looks = [soak.look()]
    for _ in range(6):
        soak.run(0.75 / 24)
        looks.append(soak.look())
    assert {"replaced", "migrated", "rebooted", "renamed"} <= soak.churn.counts.keys()
    assert grown(looks) == []
    verdict = soak.standing.daemon.auditing.verify()
    assert verdict.sound
    assert verdict.records > 60


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        (replace(STEADY, resident_mib=140.0), "memory: 120.0 to 140.0 MiB"),
        (replace(STEADY, blocks=500_000), "objects: 450000 to 500000"),
        (replace(STEADY, files=12), "open files: 11 to 12"),
        (replace(STEADY, threads=4), "threads: 3 to 4"),
        (replace(STEADY, used=10_000_000), "repository: 10000000 bytes, and 9000000 were foreseen"),
    ],
)
def test_what_grows_is_told(worse, told) -> None:
    """Each thing that must not grow is found when it does, and what holds still is not."""
    assert grown([STEADY, STEADY, STEADY, worse]) == [told]
    handled_by_nobody = replace(STEADY, blocks=500_000, incidents=30)
    assert grown([STEADY, STEADY, STEADY, handled_by_nobody]) == []
