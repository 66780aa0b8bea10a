"""The line's side of the repository."""

from __future__ import annotations

from trustd.model import GuestId
from trustd.pipeline.keeping import Keeping
from trustd.repository import Database, Entry, Journal

GUEST = GuestId("00000000-0000-4000-8000-000000000001")


def test_closing_waits_for_nothing_that_is_written_already(tmp_path) -> None:
    """A write that ended before the end began is taken in, and nothing is lost or raised."""
    database = Database(tmp_path / "trustd.db")
    try:
        keeping = Keeping(database)
        keeping.note(entries=[Entry(1.0, GUEST, "web", "band", {})])
        keeping.flush()
        database.submit(lambda _: None).result(60)  # one writer: what came before is done
        keeping.close()
        assert keeping.error == ""
        assert [each.kind for each in Journal(database).of(GUEST)] == ["band"]
    finally:
        database.close()
