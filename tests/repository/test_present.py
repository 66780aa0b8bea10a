"""A replayed trail: what is carried on when it is pruned adds up to the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

import orjson
import pytest

from trustd.model import GuestId
from trustd.repository import Audit, Database, Entry, Journal
from trustd.repository.backup import back_up, restore
from trustd.repository.present import Present, replayed
from trustd.repository.retention import Bounds, Retention
from trustd.repository.trail import Record

DAY = 86400.0
AT = 1_790_000_000.0
BOUNDS = Bounds((2 * DAY, 14 * DAY, 400 * DAY), 183 * DAY, 365 * DAY, 2.0**40)
GUESTS = [GuestId(f"5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a{number:02d}") for number in range(4)]


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    made = Database(tmp_path / "trustd.db")
    yield made
    made.close()


def seen(state: str, band: str) -> dict[str, object]:
    return {"state": state, "band": band, "labels": {"app": "web"}, "roles": ["web"]}


def happening(random_: random.Random, at: float) -> Entry:
    """Something that a trail tells of."""
    guest, what = random_.choice(GUESTS), random_.randrange(9)
    band = random_.choice(["trusted", "guarded", "isolated"])
    kind, document = [
        ("seen", seen(random_.choice(["running", "running", "gone"]), band)),
        ("band", {"before": "x", "after": band}),
        ("object", {"type": "volume", "id": guest, "labels": random_.choice([{}, {"a": band}])}),
        ("label", {"type": "guest", "id": guest, "after": random_.choice([{}, {"a": band}])}),
        (
            random_.choice(["override", "protect"]),
            {"act": random_.choice(["given", "ended"]), "reason": band},
        ),
        (
            "action",
            {
                "lever": random_.choice(["disk-throttle", "nic-link"]),
                "device": "d",
                "status": random_.choice(["applied", "applied", "restored", "ended", "failed"]),
            },
        ),
        ("policy", {"before": "x", "after": band}),
        (
            "incident",
            {"incident": random_.randrange(9), "state": random_.choice(["open", "resolved"])},
        ),
        ("refused", {"why": band}),
    ][what]
    about_none = kind in {"object", "label", "policy", "refused"}
    return Entry(at, GuestId("") if about_none else guest, "web", kind, document)


def dumped(document: dict[str, object]) -> str:
    return orjson.dumps(document).decode()


def of(present: Present) -> tuple[object, ...]:
    return (
        present.policy,
        # what a guest that is gone was told of once is not part of the state
        {id_: each for id_, each in present.guests.items() if "state" in each},
        present.objects,
        present.labels,
        present.orders,
        present.narrowed,
        present.incidents,
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_pruned_trail_adds_up_to_the_same(database, seed):
    """However often retention cuts the beginning off, what stands is told by what is left."""
    random_, journal = random.Random(seed), Journal(database)  # noqa: S311 - no secret
    retention = Retention(database, BOUNDS, clock=lambda: AT, steady=lambda: 1000.0)
    for stretch in range(5):
        began = AT - (500 - 100 * stretch) * DAY
        found = [happening(random_, began + number * DAY / 2) for number in range(150)]
        journal.append(found).result(60)
    audit = Audit(database)
    before = of(audit.replayed())
    first = audit.start().first
    for _ in range(3):
        retention.run()
        assert of(audit.replayed()) == before
    assert audit.start().first > first
    assert audit.verify().faults == ()
    assert before[0]
    assert sum(map(bool, before[1:])) >= 3


def test_each_cut_adds_up_to_the_same_as_time_goes_by(database):
    """Cut again and again while new records come, the trail and the whole of it never differ."""
    random_, journal, now = random.Random(7), Journal(database), AT - 400 * DAY  # noqa: S311 - no secret
    every: list[Record] = []
    retention = Retention(database, BOUNDS, clock=lambda: now, steady=lambda: now)
    audit = Audit(database)
    for _ in range(25):
        found = [happening(random_, now + number) for number in range(20)]
        journal.append(found).result(60)
        every += [
            Record(0, each.at, each.guest, each.name, each.kind, dumped(each.document), b"")
            for each in found
        ]
        now += 20 * DAY
        retention.run()
        assert of(audit.replayed()) == of(replayed(every))
    assert audit.start().first > 100


def test_what_a_restore_took_over_is_narrowed(database, tmp_path):
    """After going back to a backup the trail tells what is narrowed now, not what was then."""
    journal, applied = Journal(database), {"lever": "nic-link", "device": "n", "status": "applied"}
    journal.append([Entry(AT, GUESTS[0], "web", "action", applied)]).result(60)
    back_up(database.path, tmp_path / "copy.db")
    database.write(
        lambda each: each.execute(
            "INSERT INTO intent VALUES (?, 'disk-throttle', 'vda', 1, '{}')", (GUESTS[1],)
        )
    )
    target = tmp_path / "other" / "trustd.db"
    target.parent.mkdir()
    back_up(database.path, target)
    restore(tmp_path / "copy.db", target, user=0)
    again = Database(target)
    try:
        assert Audit(again).replayed().narrowed == {GUESTS[1]: {("disk-throttle", "vda")}}
    finally:
        again.close()
