"""Incidents over the line, over as many runs of the daemon as a test wants."""

from __future__ import annotations

import pytest

from tests.pipeline.scripted import CALM, TOO_MUCH, Rig, guest_id, web
from trustd.model import Fleet
from trustd.pipeline.incidents import Incidents
from trustd.repository import IncidentStore

A, B, C = (guest_id(number) for number in range(3))
POLICY = (
    CALM + "\nincidents: {open_at: guarded, reopen: 1h, respond: {critical: 10s, major: 60s}}\n"
)
"""A guest that leaves its envelope is guarded, and that is an incident here."""


class Ward:
    """The line and its incidents."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.begin()

    def begin(self) -> None:
        self.store = IncidentStore(self.rig.database)
        self.incidents = Incidents(self.store)

    def tick(self, times: int = 1) -> Fleet:
        for _ in range(times):
            fleet = self.rig.tick()
            self.incidents.step(fleet, self.rig.line._stages.narrowing.policy)
        return fleet

    def fall(self, *guests) -> None:
        for guest in guests or (A,):
            self.rig.hypervisor.writes[guest] = TOO_MUCH
        self.tick(2)

    def recover(self, *guests) -> None:
        for guest in guests or (A,):
            self.rig.hypervisor.writes.pop(guest, None)
        for _ in range(200):
            self.tick()
            if all(each.band == "trusted" for each in self.rig.fleet.guests.values()):
                return
        raise AssertionError(self.rig.bands())

    def restart(self) -> None:
        """As by SIGKILL, and a new run."""
        self.incidents.flush()
        self.rig.settle()
        self.incidents.flush()
        self.rig.restart()
        self.begin()

    def told(self, guest) -> list[str]:
        """What the journal has of its incidents."""
        self.incidents.close()
        return [each.document["act"] for each in self.rig.journal(guest, "incident")]

    @property
    def all(self):
        return [self.incidents.standing[number] for number in sorted(self.incidents.standing)]

    @property
    def only(self):
        (found,) = self.all
        return found


@pytest.fixture
def new_ward(tmp_path):
    made = []

    def make(guests=3, *, policy=POLICY):
        known = [web(number) for number in range(guests)] if isinstance(guests, int) else guests
        ward = Ward(Rig(tmp_path / f"rig-{len(made)}", known, policy=policy))
        made.append(ward)
        ward.tick(8)
        assert set(ward.rig.bands().values()) == {"trusted"}
        return ward

    yield make
    for ward in made:
        ward.rig.stop()


@pytest.fixture
def ward(new_ward):
    """Three guests that are trusted, and no incident."""
    ward = new_ward()
    assert not ward.all
    return ward
