"""The line over a scripted hypervisor."""

from __future__ import annotations

import pytest

from tests.pipeline.scripted import Rig, web


@pytest.fixture
def new_rig(tmp_path):
    """Makes a line of its own over some guests; ended with the test."""
    made = []

    def make(guests=3, **options):
        known = [web(number) for number in range(guests)] if isinstance(guests, int) else guests
        made.append(Rig(tmp_path / f"rig-{len(made)}", known, **options))
        return made[-1]

    yield make
    for rig in made:
        rig.stop()


@pytest.fixture
def rig(new_rig):
    """Three guests that are trusted."""
    rig = new_rig()
    rig.tick(8)
    return rig
