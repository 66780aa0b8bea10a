"""What leaves the host in a support dump names nobody."""

from __future__ import annotations

import asyncio
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from tests.api.fleets import AT, FEATURES, fleet, guest_id
from tests.hostile.names import NAMES
from tests.hostile.test_names import hostile, is_shown
from trustd.api import Live, serve
from trustd.api.notice_shapes import AffectedDoc, NoticeDoc, NoticeList, ReceiverDoc
from trustd.api.notices import NOTICES
from trustd.ctl import main
from trustd.metrics import Exposition, Meters
from trustd.model import Author, Orders, Pause, Term, WallBreach

TELLING = "payroll-of-acme"
DISK = "/srv/acme/payroll.qcow2"


class Telling:
    """Notices that name a guest wherever one can stand."""

    def __init__(self, name: str) -> None:
        self._name = name

    def shown(self) -> NoticeList:
        name, error = self._name, f"400: no route for {self._name}"
        receiver = ReceiverDoc("pager", "webhook", "major", 1, AT, AT, error, 2, 0)
        notice = NoticeDoc(
            key=f"band:{guest_id(1)}",
            severity="major",
            title=f"{name} is isolated",
            problem=f"Its trust is 0.1: {name}",
            mode="enforce",
            starts=AT,
            guests=[AffectedDoc(guest_id(1), name)],
            objects=[DISK, name],
            recommended=[name],
            labels={"kind": "band", "band": "isolated"},
        )
        return NoticeList([receiver], [notice, replace(notice, key=f"band:{guest_id(2)}")])

    def mount(self, app: web.Application) -> None:
        app[NOTICES] = self  # type: ignore[misc]  # it is only read


@pytest.mark.slow
@pytest.mark.parametrize("name", [TELLING, *(each for each in NAMES.values() if len(each) > 4)])
async def test_support_dump_names_no_guest_and_nobody_who_paused(tmp_path: Path, name: str) -> None:
    """Of notices there are counts and how receivers fare, of walls a count, of a pause its time;
    no name, identity or disk, and nothing that anybody wrote."""
    author = Author(4711, 1, name)
    live, path = Live(FEATURES, Meters("1"), version="1"), tmp_path / "trustd.sock"
    known = fleet(
        hostile(name, 1),
        breaches=(WallBreach(guest_id(1), name, "tenant", name, name),),
        orders=Orders(pause=Pause(keep=True, term=Term(AT, AT + 60), author=author, reason=name)),
    )
    live.publish(known, Exposition(FEATURES).render(known, live.meters))
    file = tmp_path / "dump.tar.gz"
    command = ["--socket", str(path), "support-dump", str(file)]
    async with serve(live, path, None, mounts=[Telling(name).mount]):
        ran = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert ran.exit_code == 0, ran.output
    with tarfile.open(file) as archive:
        held = {
            member.name.rpartition("/")[2]: json.load(archive.extractfile(member) or b"")
            for member in archive
            if member.name.endswith(("/notices.json", "/status.json", "/ready.json"))
        }
    assert held["ready.json"]["checks"]["enforcement"]["ok"]
    receiver = held["notices.json"]["receivers"][0]
    assert (receiver["name"], receiver["failures"], "error" in receiver) == ("pager", 2, False)
    assert held["notices.json"]["kinds"] == [{"severity": "major", "kind": "band", "count": 2}]
    assert held["status.json"]["wall_violations"] == 1
    assert held["status.json"]["orders"]["pause"].keys() == {"keep", "since", "until"}
    text = json.dumps(held, ensure_ascii=False)
    assert is_shown(text)
    for secret in (name, name[:40], guest_id(1), DISK, "4711"):
        assert secret not in text, secret
