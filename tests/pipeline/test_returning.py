"""The way back to better bands, told ahead and then seen."""

from __future__ import annotations

import pytest

from tests.pipeline.scripted import INTERVAL, TOO_MUCH, Rig, guest_id, web
from trustd.errors import NoSuchGuest

A, B = guest_id(0), guest_id(1)


@pytest.fixture
def rig(tmp_path):
    found = Rig(tmp_path, [web(0), web(1)])
    for _ in range(8):
        found.tick()
    yield found
    found.stop()


def test_way_back_is_what_then_happens(rig):
    """A guest that fell is told every better band, the nearest first, with what each gives back;
    it enters none before the time that was told, and has everything back in the best one."""
    rig.hypervisor.writes[A] = TOO_MUCH
    fleet = [rig.tick() for _ in range(5)][-1]
    rig.hypervisor.writes.clear()
    fleet = rig.tick()
    fallen = fleet.guests[A]
    steps = rig.line.explain(A).steps
    better = fleet.bands[: fleet.bands.index(fallen.band)]
    assert [step.band for step in steps] == list(better)[::-1]
    assert better
    earliest = [step.earliest for step in steps]
    assert earliest == sorted(earliest)
    assert earliest[0] > fleet.at
    lost = {each.object: each.lost for each in fallen.permissions.access if each.lost}
    given = {}
    for step in steps:
        for ref, actions in step.gives:
            given[ref] = given.get(ref, frozenset()) | actions
    assert lost
    assert given == lost
    entered = {}
    for _ in range(2000):
        fleet = rig.tick()
        entered.setdefault(fleet.guests[A].band, fleet.at)
        if fleet.guests[A].band == fleet.bands[0]:
            break
    assert fleet.guests[A].band == fleet.bands[0]
    for step in steps:
        if step.band in entered:
            assert entered[step.band] >= step.earliest - 2 * INTERVAL, step


def test_guest_in_the_best_band_has_no_way_back(rig):
    """Nothing is told of a guest that has lost nothing, and nobody else is known."""
    assert rig.line.explain(B).steps == ()
    with pytest.raises(NoSuchGuest):
        rig.line.explain(guest_id(9))
