"""Walls of history: bound once, durably, and only by whoever was granted something."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from concurrent.futures import Future

import pytest

from tests.conformance.client import EVALUATION, EVALUATIONS, SEARCH
from tests.decisions.serving import policy, serving, world
from trustd.decisions import ANYBODY, Asker, Question
from trustd.errors import StoreError
from trustd.repository import WallHistory

CALLER = {"name": "store", "user": os.getuid(), "dialects": ["authzen"]}
KNOWN = Asker("store", "authzen")


def study(subject, which):
    return Question("user", subject, "can_view", "study", f"study-{which}")


def document(subject, which):
    return {
        "subject": {"type": "user", "id": subject},
        "action": {"name": "can_view"},
        "resource": {"type": "study", "id": f"study-{which}"},
    }


@pytest.fixture
def served(tmp_path):
    with serving(tmp_path, world(policy()), {"callers": [CALLER], "open": ["authzen"]}) as found:
        yield found


def bound(served):
    return WallHistory(served.database).all()


def test_first_access_binds_for_ever(served, tmp_path):
    """Whoever was granted one of two rivals is refused the other, also after a restart."""
    client = served.unix()
    assert client.post(EVALUATION, document("alice", "a")).document == {"decision": True}
    assert client.post(EVALUATION, document("alice", "b")).document == {"decision": False}
    assert client.post(EVALUATION, document("alice", "a")).document == {"decision": True}
    assert client.post(EVALUATION, document("dan", "b")).document == {"decision": True}
    assert bound(served)["user", "alice"] == {"clients": {"bank-a"}}
    again = tmp_path / "again"
    again.mkdir()
    with serving_copy(served, again) as restarted:
        answer = restarted.unix().post(EVALUATION, document("alice", "b"))
        assert answer.document == {"decision": False}


def serving_copy(served, directory):
    """The same repository under a new daemon."""
    with served.database.reading() as source:
        target = sqlite3.connect(directory / "trustd.db")
        source.backup(target)
        target.close()
    return serving(directory, world(policy()), {"callers": [CALLER]})


def test_only_a_permit_binds(served):
    """A search, a denial and an explanation leave history alone."""
    client = served.unix()
    client.post(EVALUATION, document("nobody", "a"))
    client.post(f"{SEARCH}resource", document("alice", "a"))
    client.post(f"{SEARCH}subject", document("alice", "a"))
    client.post(f"{SEARCH}action", document("alice", "a"))

    async def explain():
        return served.point.explain(KNOWN, study("alice", "a"))

    assert served.run(explain()).decision.permit
    assert bound(served) == {}


def test_unregistered_callers_never_bind_and_never_pass(served):
    """Somebody unregistered gets no permit that would bind, so no two of them either."""
    stranger = served.tcp()
    for which in ("a", "b", "a"):
        answer = stranger.post(EVALUATION, document("alice", which))
        assert (answer.status, answer.document) == (200, {"decision": False})
    assert bound(served) == {}
    assert served.unix().post(EVALUATION, document("alice", "b")).document == {"decision": True}
    assert stranger.post(EVALUATION, document("alice", "b")).document == {"decision": True}
    assert stranger.post(EVALUATION, document("alice", "a")).document == {"decision": False}


def test_batch_meets_the_wall_within_itself(served):
    """Of two rivals in one batch the first is granted and the second is not."""
    items = [document("carol", which) for which in ("b", "a", "b")]
    answer = served.unix().post(EVALUATIONS, {"evaluations": items}).document
    assert [each["decision"] for each in answer["evaluations"]] == [True, False, True]


@pytest.mark.parametrize("round_", range(5))
def test_concurrent_first_accesses_bind_once(served, round_):
    """Of many first accesses to two rivals at one moment, one side wins and is bound."""
    subject = f"eve-{round_}"
    brought = {"role": ("employee",)}
    asker = Asker("store", "authzen", subjects=frozenset({"user"}))

    async def storm():
        questions = [
            study(subject, "ab"[number % 2])._replace(brought=brought) for number in range(40)
        ]
        return await asyncio.gather(*(served.point.decide(asker, each) for each in questions))

    permits = [decision.permit for decision in served.run(storm())]
    assert permits == [True, False] * 20
    assert bound(served)["user", subject] == {"clients": {"bank-a"}}


def test_concurrent_clients_over_the_socket(served):
    """Real clients that race for rivals never get both."""
    client, answers = served.unix(), []

    def ask(which):
        answer = client.post(EVALUATION, document("dan", which)).document["decision"]
        answers.append((which, answer))

    threads = [threading.Thread(target=ask, args=("ab"[n % 2],)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({which for which, permit in answers if permit}) == 1
    assert sum(permit for _, permit in answers) == 8


class Failing(WallHistory):
    """A store whose disk is full."""

    def bind(self, bindings, record):
        future: Future[None] = Future()
        future.set_exception(StoreError("the disk is full"))
        return future


class Stuck(WallHistory):
    """A store that never comes back."""

    def bind(self, bindings, record):
        return Future()


@pytest.mark.parametrize(("store", "free"), [(Failing, True), (Stuck, False)])
def test_permit_that_cannot_be_stored_is_a_denial(tmp_path, store, free):
    """Nobody hears of a permit that is not on the disk; what failed binds nobody."""
    settings = {"callers": [CALLER], "deadline": "100ms"}
    with serving(tmp_path, world(policy()), settings, walls=store) as served:
        answer = served.unix().post(EVALUATION, document("alice", "a"))
        assert answer.document == {"decision": False}
        assert [each.reason for each in served.records()] == ["unrecorded"]
        assert (served.point.history("user", "alice").get("clients", set()) == set()) is free


def test_permit_is_recorded_with_its_binding(served):
    """The record of a permit that binds is on the disk before the answer."""
    served.unix().post(EVALUATION, document("alice", "a"))
    # no flush: what binds does not wait for the next batch of records
    (record,) = served.log.last()
    assert (record.caller, record.subject, record.permit) == ("store", "alice", True)


def test_nobody_is_bound_by_asking_as_nobody(served):
    """A decision for an asker of whom nothing is known binds nobody."""
    decision = served.run(served.point.decide(ANYBODY, study("alice", "a")))
    assert (decision.permit, decision.reason) == (False, "wall")
