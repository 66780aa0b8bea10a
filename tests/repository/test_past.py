"""What the journal says of a time, though somebody changed a record of it."""

from __future__ import annotations

import pytest

from trustd.model import GuestId, ObjectRef
from trustd.repository import OBJECT, SEEN, Database, Entry, IncidentStore, Journal, Past
from trustd.repository.past import ACTION, BAND, RUN

GUEST = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a55")
VOLUME = ObjectRef("volume", "/db")
OLD, NEW = {"tenant": "acme"}, {"tenant": "other"}


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "trustd.db")
    yield made
    made.close()


def entry(at: float, kind: str, **document: object) -> Entry:
    return Entry(at, GUEST, "web", kind, document)


@pytest.fixture
def journal(database) -> Journal:
    """Everything told twice, and the second time is to be changed."""
    made = Journal(database)
    for at, labels in ((10.0, OLD), (20.0, NEW)):
        made.append(
            [
                entry(at, RUN, heard=at - 1),
                entry(at, SEEN, state="running", labels=labels),
                entry(at, BAND, after=labels["tenant"]),
                entry(at, OBJECT, type=VOLUME.type, id=VOLUME.id, labels=labels),
                entry(at, "action", lever="nic-link", device="n", status="applied"),
            ]
        ).result(60)
    return made


@pytest.mark.parametrize(
    "text", ["{{", "", "[]", "7", '{"type": "volume", "id": "/db", "labels": "\\ud800"}']
)
def test_a_record_that_cannot_be_read_tells_nothing(database, journal, text):
    """Whatever stands there, every question about that time is answered from what can be read."""
    database.write(
        lambda each: each.execute("UPDATE transition SET document = ? WHERE at = 20", (text,))
    )
    past = Past(database)
    readable = text.startswith('{"')
    assert past.objects(30.0) in ({VOLUME: OLD}, {}) if readable else {VOLUME: OLD}
    begun, following = past.runs(30.0)
    assert begun is not None
    assert following is None
    assert past.named("web", 30.0) == GUEST
    for found in (past.seen(GUEST, 30.0), past.everybody(30.0)[GUEST], past.band(GUEST, 30.0)):
        assert found is not None
        assert found.at == (20.0 if readable else 10.0)
    assert past.told(GUEST, "action", 30.0, 5)[-1].at == 10.0
    newest = journal.of(GUEST, 1)[0]
    assert (newest.at, newest.document) == (20.0, {})
    assert len(IncidentStore(database).journal(GUEST, 0.0, 30.0, 100)) == 10


def test_a_lever_that_flaps_hides_no_other(database, journal):
    """The last action on each device is found, however many came on another one since."""
    del journal
    flapping = [
        entry(30.0 + number, ACTION, lever="cpu-quota", device="", status=status)
        for number, status in enumerate(["applied", "restored"] * 500)
    ]
    Journal(database).append(flapping).result(60)
    other = Entry(31.0, GuestId("other"), "db", ACTION, {"lever": "nic-link", "device": "x"})
    Journal(database).append([other]).result(60)
    found = [(each.at, each.document["lever"]) for each in Past(database).deeds(GUEST, 2000.0)]
    assert found == [(1029.0, "cpu-quota"), (20.0, "nic-link")]
    assert [each.at for each in Past(database).deeds(GUEST, 15.0)] == [10.0]


@pytest.mark.parametrize(
    "labels", ['{"type": [], "id": "/db", "labels": {}}', '{"type": "volume", "id": "/db"}', "{}"]
)
def test_labels_that_make_no_sense_are_nobodys(database, journal, labels):
    """A document that was changed into another one keeps no daemon from starting."""
    database.write(
        lambda each: each.execute("UPDATE transition SET document = ? WHERE at = 20", (labels,))
    )
    assert journal.of(GUEST, 1)
    assert set(Past(database).objects(30.0)) <= {VOLUME}
