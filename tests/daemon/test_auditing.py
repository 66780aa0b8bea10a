"""The audit trail of a whole daemon, through trustctl."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from pathlib import Path

import pytest

from tests.decisions.running import Running
from tests.decisions.serving import AUTHZEN
from tests.notify.conftest import Listener, listener, until

pytestmark = pytest.mark.slow

__all__ = ["listener"]  # a fixture

POLICY = AUTHZEN.read_text("utf-8")


@pytest.fixture
def anchors(tmp_path) -> Path:
    return tmp_path / "heads"


@pytest.fixture
def daemon(tmp_path, anchors):
    audit = {"anchors": str(anchors), "every": "1s"}
    with Running(tmp_path, POLICY, audit=audit) as found:
        yield found


def label(daemon: Running, *values: str) -> None:
    for value in values:
        done = daemon.trustctl("label", "--object", "record:r9", value)
        assert done.returncode == 0, done.stderr


def tampered(daemon: Running, statement: str) -> None:
    """Change the file while the daemon is stopped."""
    with sqlite3.connect(daemon.directory / "state/trustd.db") as connection:
        connection.execute(statement)


def verdict(daemon: Running, *arguments: str | Path) -> tuple[int, dict]:
    done = daemon.trustctl("audit", "verify", "-o", "json", *arguments)
    return done.returncode, json.loads(done.stdout)


def places(document: dict) -> list[int]:
    return [each["id"] for each in document["faults"]]


def test_an_act_is_shown_with_its_author(daemon):
    """What somebody changed is in the trail: who, what, before and after."""
    label(daemon, "owner=alice", "owner=bob")
    done = daemon.trustctl("audit", "show", "--kind", "label", "-o", "json")
    first, second = json.loads(done.stdout)["records"]
    assert (first["document"]["before"], first["document"]["after"]) == ({}, {"owner": "alice"})
    assert second["document"]["before"] == {"owner": "alice"}
    assert second["document"]["uid"] == os.getuid()
    assert second["id"] > first["id"]
    shown = daemon.trustctl("audit", "show", "-o", "table")
    assert "label" in shown.stdout
    assert "bob" in shown.stdout


def test_a_sound_trail_verifies_here_and_elsewhere(daemon, anchors, tmp_path):
    """The daemon's check and the check of an exported file agree, with every anchor; and so does
    what they add up to."""
    label(daemon, "owner=alice")
    daemon.stop()
    daemon.start()
    label(daemon, "owner=bob", "due=1e-7", "note=ünïcode")
    code, here = verdict(daemon)
    assert (code, here["sound"], here["faults"]) == (0, True, [])
    assert 1 <= here["anchors"] <= len(anchors.read_text().splitlines())
    trail = tmp_path / "trail.jsonl"
    trail.write_text(daemon.trustctl("audit", "export").stdout)
    replayed = [
        json.loads(daemon.trustctl("audit", "replay", "-o", "json", *where).stdout)
        for where in ((), (trail,))
    ]
    assert replayed[0] == replayed[1]
    given = {"owner": "bob", "due": "1e-7", "note": "ünïcode"}
    assert replayed[0]["given"] == [{"type": "record", "id": "r9", "labels": given}]
    assert replayed[0]["policy"] == daemon.get("/v1/policy")["id"]
    assert "owner=bob" in daemon.trustctl("audit", "replay", "-o", "table").stdout
    assert daemon.trustctl("audit", "replay", "--at", "yesterday").returncode == 2
    last = json.loads(trail.read_text().splitlines()[-1])["id"]
    early = [line for line in anchors.read_text().splitlines() if json.loads(line)["id"] <= last]
    daemon.stop()
    heads = tmp_path / "kept"
    heads.write_text("\n".join(early))
    code, there = verdict(daemon, trail, "--anchors", heads)
    assert (code, there["sound"], there["last"]) == (0, True, last)
    assert there["anchors"] == len(early) >= here["anchors"]


def test_a_changed_record_fails_the_check(daemon):
    """The exit code is 3, and the place is told."""
    label(daemon, "owner=alice", "owner=bob", "owner=carol")
    daemon.stop()
    for place in (1, 4):
        tampered(daemon, f"UPDATE transition SET document = '{{}}' WHERE id = {place}")  # noqa: S608 - a constant
    daemon.start()
    code, told = verdict(daemon)
    assert (code, told["sound"]) == (3, False)
    assert {1, 4} <= set(places(told))


def test_a_trail_that_cannot_be_read_is_shown_and_checked(daemon):
    """Nonsense in every record keeps nothing from starting; each is listed with what is there."""
    label(daemon, "owner=alice", "owner=bob")
    daemon.stop()
    tampered(daemon, "UPDATE transition SET document = '{{' || id")
    daemon.start()
    label(daemon, "owner=carol")
    code, told = verdict(daemon)
    assert (code, told["sound"]) == (3, False)
    done = daemon.trustctl("audit", "show", "-o", "json")
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)["records"]
    shown = [each for each in records if "unreadable" in each["document"]]
    assert {each["id"] for each in shown} >= {1, 2}
    assert all(each["document"] == {"unreadable": f"{{{{{each['id']}"} for each in shown)
    (labelled,) = (each for each in records if each["kind"] == "label" and each not in shown)
    assert labelled["document"]["after"] == {"owner": "carol"}
    assert daemon.trustctl("audit", "show").returncode == 0


def test_a_cut_trail_fails_the_check_by_its_anchors(daemon):
    """What was signed and is not there any more is told."""
    label(daemon, "owner=alice", "owner=bob", "owner=carol")
    daemon.stop()
    tampered(daemon, "DELETE FROM transition WHERE id > 1")
    daemon.start()
    code, told = verdict(daemon)
    assert code == 3
    assert any("anchor of" in each["what"] for each in told["faults"])


def test_anchors_of_another_key_prove_nothing(daemon, anchors, tmp_path):
    """A head that somebody else signed is told, and not believed."""
    label(daemon, "owner=alice")
    daemon.stop()
    (daemon.directory / "state/audit.key").unlink()
    daemon.start()
    code, told = verdict(daemon)
    assert code == 3
    assert {each["what"] for each in told["faults"]} == {"its anchor was not signed by this host"}


def test_csv_is_no_formula(daemon, tmp_path):
    """A cell that a spreadsheet would run begins with an apostrophe."""
    label(daemon, "owner=alice")
    tampered(
        daemon,
        "INSERT INTO transition (id, at, guest, name, kind, document)"
        " VALUES (1000, 1, '', '=cmd()', 'label', '{}')",
    )
    done = daemon.trustctl("audit", "export", "--format", "csv")
    head, *rows = list(csv.reader(done.stdout.splitlines()))
    assert head == ["id", "at", "guest", "name", "kind", "document", "hash"]
    assert [row[3] for row in rows if row[0] == "1000"] == ["'=cmd()"]


def test_only_good_questions_over_the_socket(daemon):
    """Any local user reaches loopback, and the trail names users and labels: 403 there. A parameter
    that makes no sense is a 400 that names it."""
    assert daemon.tcp().send("GET", "/v1/audit").status == 403
    assert daemon.tcp().send("GET", "/v1/audit/verify").status == 403
    for query in ("limit=0", "limit=x", "after=-1", "since=nan", "who=me"):
        answer = daemon.client().send("GET", f"/v1/audit?{query}")
        assert answer.status == 400
        assert query.split("=")[0] in answer.document["detail"]


def events(listener: Listener, kind: str) -> list[tuple[str, str]]:
    found = [json.loads(body)["data"] for _, body in listener.sent]
    return [(each["state"], each["severity"]) for each in found if each["labels"]["kind"] == kind]


def test_a_broken_trail_is_told_though_nobody_asks(tmp_path, listener):
    """The daemon checks by itself; what it finds is told once, over a restart too, and counted."""
    receivers = [{"name": "hook", "kind": "webhook", "url": listener.url}]
    running = Running(tmp_path, POLICY, audit={"check": "1s"}, notify={"receivers": receivers})
    with running as daemon:
        label(daemon, "owner=alice", "owner=bob")
        daemon.stop()
        tampered(daemon, "UPDATE transition SET document = '{}' WHERE id = 2")
        for _ in range(2):
            daemon.start()
            until(lambda: b"\ntrustd_audit_faults 1" in daemon.tcp().send("GET", "/metrics").body)
            until(lambda: bool(events(listener, "audit")))
            daemon.stop()
        assert events(listener, "audit") == [("begun", "critical")]


def test_a_head_that_cannot_be_written_is_told(tmp_path, anchors, listener):
    """While the file for the signed heads takes none that is a notice, and it ends when it does."""
    anchors.mkdir()
    receivers = [{"name": "hook", "kind": "webhook", "url": listener.url}]
    audit = {"anchors": str(anchors), "every": "1s"}
    running = Running(tmp_path, POLICY, audit=audit, notify={"receivers": receivers})
    with running as daemon:
        until(lambda: events(listener, "anchor") == [("begun", "major")])
        anchors.rmdir()
        label(daemon, "owner=alice")
        until(lambda: events(listener, "anchor") == [("begun", "major"), ("ended", "major")])
        assert anchors.read_text()
