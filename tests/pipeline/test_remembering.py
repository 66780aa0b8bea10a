"""History as the line takes it in, and as it is stored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.api.fleets import AT, FEATURES, assessed, fleet, guest_id
from trustd.errors import StoreError
from trustd.pipeline.remembering import BATCH, TICKS, Remembering
from trustd.repository import Asked, Database, Timelines

EVERY = 5.0
GUESTS = 2 * BATCH + 7


class Stumbling(Timelines):
    """A repository that fails once, between two transactions of a stretch."""

    def __init__(self, database):
        super().__init__(database)
        self.stored = []

    def store(self, chunks):
        self.stored.append(len(chunks))
        if len(self.stored) == 2:
            raise StoreError("the disk is full")
        super().store(chunks)


@pytest.fixture
def timelines(tmp_path):
    database = Database(tmp_path / "trustd.db")
    yield Stumbling(database)
    database.close()


def seen(place, tick):
    """A guest whose trust nothing else has; the last comes late, the others skip a tick."""
    if place % TICKS == tick or (place == GUESTS - 1 and tick < TICKS // 2):
        return None
    trust = round((place * TICKS + tick) / (GUESTS * TICKS), 6)
    return replace(assessed(number=place), trust=trust)


def test_a_store_that_fails_half_way_loses_and_doubles_nothing(timelines):
    """Of guests that come and go every tick is kept once and as it was, whatever failed between."""
    remembering = Remembering(timelines, FEATURES)
    for tick in range(TICKS):
        guests = [found for place in range(GUESTS) if (found := seen(place, tick))]
        # the order of guests is no promise of the hypervisor's
        remembering.note(fleet(*guests[:: 1 if tick % 2 else -1], at=AT + tick * EVERY))
    with pytest.raises(StoreError):
        remembering.store()
    remembering.store()
    assert timelines.stored == [BATCH, BATCH, BATCH, 7]
    for place in range(GUESTS):
        asked = Asked(guest_id(place), AT, AT + TICKS * EVERY, TICKS)
        found = timelines.trust(asked).points
        wanted = [(tick, each.trust) for tick in range(TICKS) if (each := seen(place, tick))]
        assert found.at.tolist() == [AT + tick * EVERY for tick, _ in wanted]
        assert found.mean[0].tolist() == pytest.approx([trust for _, trust in wanted], abs=1e-6)
