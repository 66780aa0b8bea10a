"""The audit trail: whoever changes, drops, swaps or cuts off a record is found out."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from trustd.errors import StoreError
from trustd.model import GuestId
from trustd.repository import Audit, Database, Entry, Filter, Journal, Signer, genuine
from trustd.repository.anchors import parsed

GUEST = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a55")
RECORDS = 12


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "trustd.db")
    yield made
    made.close()


@pytest.fixture
def audit(database):
    """A trail of twelve records, written in three transactions."""
    journal = Journal(database)
    for first in range(0, RECORDS, 4):
        entries = [entry(number) for number in range(first, first + 4)]
        journal.append(entries).result(60)
    return Audit(database)


def entry(number: int) -> Entry:
    document = {"before": "trusted", "after": "guarded", "why": f"reason {number}", "né": "\u202e"}
    return Entry(1000.5 + number, GUEST, f"web-{number}", "band", document)


def tampered(database: Database, *statements: str) -> None:
    """Change the file as somebody would who can write it."""
    with sqlite3.connect(database.path) as connection:
        for each in statements:
            connection.execute(each)


def faults(audit: Audit, *anchors) -> list[tuple[int, str]]:
    return [(each.id, each.what) for each in audit.verify(anchors).faults]


@pytest.fixture
def signer(tmp_path):
    return Signer(tmp_path / "audit.key")


def anchored(audit: Audit, signer: Signer):
    head = audit.head()
    return signer.anchor(head.trail, head.id, head.hash, 5000.0)


def test_what_nobody_touched_verifies(audit, signer):
    """A trail that was only appended to has no fault."""
    verdict = audit.verify([anchored(audit, signer)])
    assert (verdict.records, verdict.last, verdict.anchors, verdict.faults) == (12, 12, 1, ())


def test_a_trail_goes_on_after_a_restart(tmp_path, signer):
    """What is written after the file was opened again is linked to what was there."""
    for first in (0, 4):
        database = Database(tmp_path / "trustd.db")
        try:
            Journal(database).append([entry(first), entry(first + 1)]).result(60)
            anchor = anchored(Audit(database), signer)
            verdict = Audit(database).verify([anchor])
        finally:
            database.close()
    assert (verdict.records, verdict.last, verdict.anchors, verdict.faults) == (4, 4, 1, ())


@pytest.mark.parametrize(
    "column",
    [
        "at = 1",
        "guest = ''",
        "name = 'x'",
        "kind = 'label'",
        "document = '{}'",
        "document = '{{'",
    ],
)
def test_a_changed_record_is_found_at_its_place(database, audit, column):
    """Whatever part of a record is changed, the fault is at that record and nowhere else."""
    tampered(database, f"UPDATE transition SET {column} WHERE id = 7")  # noqa: S608 - a constant
    assert faults(audit) == [(7, "it is not what was written there")]


def test_dropped_records_are_found(database, audit):
    """A gap is told with its first and last record."""
    tampered(database, "DELETE FROM transition WHERE id IN (5, 6)")
    assert faults(audit) == [(5, "records 5 to 6 are missing")]


def test_swapped_records_are_found(database, audit):
    """Two records that change places are both told."""
    tampered(
        database,
        "UPDATE transition SET id = 99 WHERE id = 4",
        "UPDATE transition SET id = 4 WHERE id = 8",
        "UPDATE transition SET id = 8 WHERE id = 99",
    )
    assert {place for place, _ in faults(audit)} >= {4, 8}


def test_a_trail_without_its_beginning_is_found(database, audit):
    """Dropping the oldest records, as retention would, does not look like retention."""
    tampered(database, "DELETE FROM transition WHERE id <= 3")
    assert faults(audit) == [(1, "records 1 to 3 are missing")]


def test_a_cut_tail_is_found_by_an_anchor(database, audit, signer):
    """The chain alone cannot tell that the newest records are gone; an anchor can."""
    anchor = anchored(audit, signer)
    tampered(database, "DELETE FROM transition WHERE id > 10")
    assert faults(audit) == []
    assert faults(audit, anchor) == [
        (11, "records 11 to 12 are missing: an anchor of 5000 tells of them")
    ]


def test_a_trail_that_was_made_anew_is_found_by_an_anchor(database, audit, signer):
    """Whoever computes every hash anew has a sound chain, and not the anchor's."""
    anchor = anchored(audit, signer)
    tampered(database, "DELETE FROM transition WHERE id > 6")
    Journal(database).append([entry(number) for number in range(50, 60)]).result(60)
    assert faults(audit) == []
    assert faults(audit, anchor) == [(12, "it was rewritten: the anchor of 5000 has another hash")]


def test_a_trail_that_was_exchanged_is_found_by_an_anchor(audit, signer, tmp_path):
    """A new database is another trail, however sound."""
    anchor = anchored(audit, signer)
    other = Database(tmp_path / "other.db")
    try:
        ((_, what),) = faults(Audit(other), anchor)
        assert what == f"an anchor is of another trail, {anchor.trail}"
    finally:
        other.close()


def test_only_the_holder_of_the_key_can_sign(audit, signer, tmp_path):
    """An anchor with anything changed, or of another key, is not genuine."""
    anchor = anchored(audit, signer)
    assert genuine(anchor, signer.public)
    assert genuine(anchor, Signer(tmp_path / "audit.key").public), "the key is kept"
    stranger = Signer(tmp_path / "stranger.key")
    forged = [
        replace(anchor, id=11),
        replace(anchor, at=6000.0),
        replace(anchor, trail="0" * 32),
        replace(anchor, hash="0" * 64),
        replace(anchor, signature="AAAA"),
        replace(anchor, signature="?"),
        stranger.anchor(anchor.trail, anchor.id, bytes.fromhex(anchor.hash), anchor.at),
    ]
    assert not [each for each in forged if genuine(each, signer.public)]


def test_the_key_is_for_its_owner_only(signer, tmp_path):
    """The private key's file is 0600, and a file that is no key is refused by name."""
    path = tmp_path / "audit.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("nonsense", "ascii")
    with pytest.raises(StoreError, match=r"audit\.key: the key of the audit trail cannot be used"):
        Signer(path)


def test_anchors_are_read_from_a_log_among_other_lines():
    """Lines that tell of no anchor are passed over; a broken anchor is named with its line."""
    with pytest.raises(StoreError, match="anchors:2: this is no anchor"):
        parsed(["started", '{"signature": "x"}'], "anchors")
    assert parsed(["started", "{}"], "anchors") == []


def test_pages_and_filters(audit):
    """Records come a page at a time, oldest first, and only those that were asked for."""
    assert [each.id for each in audit.page(Filter(), most=5)] == [1, 2, 3, 4, 5]
    assert [each.id for each in audit.page(Filter(), after=10)] == [11, 12]
    assert [each.id for each in audit.last(Filter(until=1004.5), most=2)] == [3, 4]
    assert [each.id for each in audit.page(Filter(since=1010.5, guest=GUEST))] == [11, 12]
    assert not audit.page(Filter(kind="label"))
