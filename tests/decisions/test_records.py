"""No answer without its record, however the daemon ends; and no waiting where none is due."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import os
import random
import sqlite3
import threading
import time
from concurrent.futures import Future
from functools import partial

import pytest
from structlog.testing import capture_logs

from tests.conformance.client import EVALUATION, EVALUATIONS, asked
from tests.decisions.running import Running
from tests.decisions.serving import AUTHZEN, guest, policy, serving, world
from tests.lab.waiting import wait_until
from trustd.decisions import Recorder
from trustd.errors import StoreError
from trustd.repository import Database, RulingLog, RulingRecord

CALLER = {
    "name": "store",
    "user": os.getuid(),
    "dialects": ["authzen"],
    "subjects": ["user"],
    "objects": ["record"],
}
WEB = guest(1, app="web")
ROUNDS = 6


def write(who, action="write"):
    return {
        "subject": {"type": "guest", "id": who.id},
        "action": {"name": action},
        "resource": {"type": "volume", "id": "/pool/web.qcow2"},
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_at_any_moment_loses_no_record(tmp_path):
    """Clients ask without a pause and the daemon is killed in the midst of it, again and again:
    for every answer that anybody heard, single or in a batch, permit or denial, there is a
    record."""
    decisions = {"callers": [CALLER], "record": "all", "keep": 1_000_000}
    heard: list[tuple[str, bool]] = []
    names = itertools.count()
    chance = random.Random(5)  # noqa: S311 - any moment will do
    with Running(tmp_path, AUTHZEN.read_text("utf-8"), decisions=decisions) as daemon:
        for _ in range(ROUNDS):
            stop, enough = threading.Event(), len(heard) + 200
            clients = [
                threading.Thread(target=keep_asking, args=(daemon, heard, names, stop, size))
                for size in (1, 1, 20)
            ]
            for client in clients:
                client.start()
            wait_until(partial(more_than, heard, enough), "answers come", seconds=90)
            time.sleep(chance.random() / 20)  # anywhere between two commits
            daemon.kill()
            stop.set()
            for client in clients:
                client.join(90)
            daemon.start()
        with sqlite3.connect(daemon.directory / "state/trustd.db") as connection:
            found = connection.execute("SELECT subject, permit FROM decision").fetchall()
    recorded = {subject: bool(permit) for subject, permit in found}
    assert {decision for _, decision in heard} == {True, False}
    lost = [each for each in heard if recorded.get(each[0]) is not each[1]]
    assert not lost, (len(lost), len(heard))


def more_than(heard, enough):
    return len(heard) > enough


def keep_asking(daemon, heard, names, stop, size):
    """Ask about a subject of its own each time, until the daemon is gone."""
    client = daemon.client()
    while not stop.is_set():
        items = []
        for number in itertools.islice(names, size):
            department = "sales" if number % 2 else "law"
            properties = {"role": "employee", "department": department}
            item = asked(f"user-{number}", "can_view", "r1")
            item["subject"]["properties"] = properties
            items.append(item)
        try:
            if size == 1:
                answers = [client.post(EVALUATION, items[0]).document]
            else:
                answers = client.post(EVALUATIONS, {"evaluations": items}).document["evaluations"]
        except (OSError, http.client.HTTPException, ValueError):
            continue
        heard += [
            (item["subject"]["id"], answer["decision"])
            for item, answer in zip(items, answers, strict=True)
        ]


class Full(RulingLog):
    """A log whose disk is full."""

    def append(self, records):
        future: Future[None] = Future()
        future.set_exception(StoreError("the disk is full"))
        return future


class Stuck(RulingLog):
    """A log whose disk does not come back."""

    def append(self, records):
        return Future()


@pytest.mark.parametrize("log", [Full, Stuck])
def test_what_cannot_be_recorded_is_no_permit(tmp_path, log):
    """Where permits are recorded and cannot be, they are denials, in a batch too; a denial is
    answered all the same, within the deadline."""
    settings = {"callers": [CALLER], "record": "all", "deadline": "100ms"}
    with serving(tmp_path, world(policy(), {WEB: "trusted"}), settings, log=log) as served:
        reasons = {"context": {"trustd_reasons": True}}
        began = time.monotonic()
        permit = served.unix().post(EVALUATION, write(WEB) | reasons).document
        assert permit["decision"] is False
        assert permit["context"]["reason"] == "unrecorded"
        denial = served.unix().post(EVALUATION, write(WEB, "fly") | reasons).document
        assert denial["context"]["reason"] == "unknown-action"
        batch = {"evaluations": [{}, {"action": {"name": "fly"}}, {}], **write(WEB)}
        answers = served.unix().post(EVALUATIONS, batch).document["evaluations"]
        assert answers == [{"decision": False}] * 3
        assert time.monotonic() - began < 20


def test_permits_do_not_wait_for_records_that_are_not_due(tmp_path):
    """By default a permit that binds nobody is answered at once, whatever the disk does."""
    settings = {"callers": [CALLER], "deadline": "10s"}
    with serving(tmp_path, world(policy(), {WEB: "trusted"}), settings, log=Stuck) as served:
        began = time.monotonic()
        assert served.unix().post(EVALUATION, write(WEB)).document == {"decision": True}
        assert time.monotonic() - began < 8


class Counting(RulingLog):
    """A log that says how many batches it was given, and of which size."""

    def append(self, records):
        records = tuple(records)
        self.batches = [*getattr(self, "batches", []), len(records)]
        return super().append(records)


def test_records_of_one_batch_are_one_commit(tmp_path):
    """A thousand denials wait for one commit, not for a thousand."""
    settings = {"callers": [CALLER], "keep": 5000}
    with serving(tmp_path, world(policy(), {WEB: "trusted"}), settings, log=Counting) as served:
        batch = {"evaluations": [{}] * 1000, **write(WEB, "fly")}
        served.unix().post(EVALUATIONS, batch)
        assert sum(served.log.batches) == 1000
        assert len(served.log.batches) <= 3
        assert len(served.records()) == 1000


def test_the_end_says_what_it_could_not_write(tmp_path):
    """The last records are waited for, and told where they are lost."""

    async def last(log):
        recorder = Recorder(log, lambda *_: None, everything=False)
        recorder.add(RulingRecord(1.0, *["x"] * 7, False, *["x"] * 4))
        recorder.flush()

    database = Database(tmp_path / "trustd.db")
    try:
        with capture_logs() as logs:
            asyncio.run(last(RulingLog(database, 10)))
        assert not logs
        assert len(RulingLog(database, 10).last()) == 1
        with capture_logs() as logs:
            asyncio.run(last(Full(database, 10)))
        assert [each["log_level"] for each in logs] == ["error"]
    finally:
        database.close()
