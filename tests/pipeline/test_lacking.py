"""What is asked to be enforced and cannot be."""

from __future__ import annotations

import pytest

from tests.pipeline.scripted import LAB, policy_of, web
from trustd.model import LeverHealth
from trustd.pipeline.lacking import UNKNOWN, Lacking
from trustd.pipeline.narrowing import Narrowing

NONE = LeverHealth(available=False, why="no controller")
SOME = LeverHealth(available=True)


def lacking(text, **levers):
    """For one trusted guest under a policy whose second-worst band asks for ``cpu-quota``."""
    policy = policy_of(text)
    narrowing = Narrowing(policy)
    narrowing.follow(web(1), at=0.0)
    health = {name.replace("_", "-"): each for name, each in levers.items()}
    return Lacking().of(policy, narrowing.world, (), health)


def test_a_lever_that_a_worse_band_asks_for_is_missed_before_anybody_falls():
    """With the host's reason; one of which nothing is known yet is not claimed to be missing."""
    assert lacking(LAB, cpu_quota=NONE, nic_link=NONE) == {"cpu-quota": "no controller"}
    assert lacking(LAB, cpu_quota=SOME, nic_link=NONE) == {}
    assert lacking(LAB, cpu_quota=LeverHealth()) == {}
    assert lacking(LAB) == {"cpu-quota": UNKNOWN}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mode: enforce", "mode: observe"),
        ("name: restricted,", "name: restricted, mode: observe,"),
        ("limits:", "protect: [{select: {app: web}}]\nlimits:"),
    ],
)
def test_nobody_misses_what_would_not_be_done(before, after):
    """Not in observe mode, of the policy or of that band alone, nor for a protected guest."""
    text = LAB.replace(before, after, 1)
    assert text != LAB
    if "restricted" in before:
        # measures of a better band stand in a worse one too
        text = text.replace("name: isolated,", "name: isolated, mode: observe,")
    assert lacking(text, cpu_quota=NONE) == {}
