"""Why it was answered so: the time is told again from what is stored."""

from __future__ import annotations

import time

import pytest

from tests.daemon.host import Host
from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from trustd.api.office import NotKnown
from trustd.daemon.administration import OPERATOR
from trustd.decisions import Question
from trustd.model import GuestState, ObjectRef
from trustd.repository import Entry

A, B = guest_id(0), guest_id(1)
OBJECTS = ("/images/0.qcow2", "/images/1.qcow2")
ACTIONS = ("read", "write", "flush", "fly")
SEALED = (
    CALM.replace("objects:\n", "objects:\n  sealed: {type: volume, select: {state: sealed}}\n", 1)
    + "forbid: [{object: sealed, reason: it is sealed}]\n"
)


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path, [web(0), web(1)], CALM) as found:
        yield found


def asked(host):
    """Every question, as it is answered now."""
    answers = {}
    for guest in (A, B):
        for action in ACTIONS:
            for identity in OBJECTS:
                question = Question("guest", guest, action, "volume", identity)
                told = host.access.point.explain(OPERATOR, question)
                found = told.decision
                answers[guest, action, identity] = (
                    found.permit,
                    found.reason,
                    found.band,
                    found.mode,
                    found.policy,
                    told.gates,
                )
    return answers


def told(host, at):
    """Every question, as it is told of a time."""
    registry = host.access.point.world.directory.registry
    answers = {}
    for guest in (A, B):
        for action in ACTIONS:
            for identity in OBJECTS:
                found = host.formerly.why(
                    guest, action, ObjectRef("volume", identity), at, registry
                )
                answers[guest, action, identity] = (
                    found.permit,
                    found.reason,
                    found.band,
                    found.mode,
                    found.policy,
                )
    return answers


def relabel(host, kind, identity, given, taken=()):
    store = host.access.stores.labels
    entry = Entry(host.hypervisor.at, A, "", "label", {})
    store.change((kind, identity), given, taken, entry)
    host.access.labels_changed()


@pytest.mark.slow
def test_every_answer_of_the_past_is_told_as_it_was(host):
    """Bands, labels of guests and objects, and policies change; afterwards every question about
    every moment is answered as it was then."""
    history = {}

    def pass_by(times):
        for _ in range(times):
            fleet = host.tick()
            history[fleet.at] = {key: each[:5] for key, each in asked(host).items()}

    pass_by(20)
    host.hypervisor.writes[A] = TOO_MUCH
    pass_by(8)
    host.hypervisor.writes.clear()
    relabel(host, "guest", B, {"app": "other"})
    pass_by(2)
    host.path.write_text(CALM + "forbid:\n  - {actions: [flush], reason: no}\n")
    host.reloading.now()
    pass_by(2)
    relabel(host, "guest", B, {}, ["app"])
    relabel(host, "volume", OBJECTS[1], {"state": "sealed"})
    host.path.write_text(SEALED)
    host.reloading.now()
    pass_by(3)
    host.settle()
    different = {tuple(sorted(answers.items())) for answers in history.values()}
    assert len(different) >= 5
    assert {each[2] for answers in history.values() for each in answers.values()} > {"trusted"}
    for at, answers in history.items():
        assert told(host, at) == answers, at


def test_a_time_before_the_journal_is_not_known(host):
    """What is older than the journal is said to be unknown, with the time at which it begins; so
    is a guest that was not there."""
    host.tick(2)
    host.settle()
    registry = host.access.registry
    target = ObjectRef("volume", OBJECTS[0])
    with pytest.raises(NotKnown, match="the journal begins at 20"):
        host.formerly.why(A, "read", target, time.time() - 3600, registry)
    with pytest.raises(NotKnown, match="no guest 'nobody' was known"):
        host.formerly.why("nobody", "read", target, host.hypervisor.at, registry)
    # the first tick told of the guest; before it, nobody had
    with pytest.raises(NotKnown, match="was known"):
        host.formerly.why(A, "read", target, host.fleet.at - 2.5, registry)


def test_a_guest_is_known_by_the_name_of_that_time(host):
    """A guest that was renamed, and one that is gone, are found by the name they had."""
    host.tick(2)
    before = host.fleet.at
    host.hypervisor.change(web(0, name="renamed"))
    host.hypervisor.undefine(B)
    after = host.tick(2).at
    host.settle()
    registry, target = host.access.registry, ObjectRef("volume", OBJECTS[0])
    assert host.formerly.why("web-0", "read", target, before, registry).guest == A
    assert host.formerly.why("renamed", "read", target, after, registry).guest == A
    assert host.formerly.why("web-1", "read", target, before, registry).guest == B
    with pytest.raises(NotKnown, match="web-1 was gone"):
        host.formerly.why("web-1", "read", target, after, registry)


def test_a_time_without_a_daemon_is_told_as_such(host):
    """Of a time between two runs the last known is told, and that it is only that."""
    host.tick(3)
    last = host.fleet.at
    host.settle()
    registry, target = host.access.registry, ObjectRef("volume", OBJECTS[0])
    assert "may not have run" not in str(host.formerly.why(A, "read", target, last, registry).notes)
    host.stop()
    host.start()
    host.settle()
    # the run begins now, which lies before the last tick; its entry is moved behind it
    with host.database.reading() as connection:
        runs = connection.execute("SELECT id FROM transition WHERE kind = 'run'").fetchall()
    host.database.write(
        lambda connection: connection.execute(
            "UPDATE transition SET at = ? WHERE id = ?", (last + 100, runs[-1][0])
        )
    )
    found = host.formerly.why(A, "read", target, last + 50, registry)
    assert any("trustd may not have run then" in note for note in found.notes)
    assert found.band == "trusted"
    sure = host.formerly.why(A, "read", target, last - 1, registry)
    assert not any("may not have run" in note for note in sure.notes)


WALLED = (
    CALM + 'walls: [{name: clients, label: client, conflicts: [[one, two]], mode: "running"}]\n'
)


def test_what_ran_then_counts_for_walls(host):
    """Who stood in whose way is told of the time: a rival that ran then, and not one that had
    stopped."""
    rivals = [web(n, labels={"app": "web", "client": c}) for n, c in enumerate(("one", "two"))]
    host.hypervisor.change(*rivals)
    host.tick(3)
    host.path.write_text(WALLED)
    host.reloading.now(force=True)
    walled = host.tick(2).at
    first = {key: each[:5] for key, each in asked(host).items()}
    off = web(1, labels={"app": "web", "client": "two"}, state=GuestState.SHUTOFF)
    host.hypervisor.change(off)
    free = host.tick(2).at
    second = {key: each[:5] for key, each in asked(host).items()}
    host.settle()
    assert first[A, "read", OBJECTS[0]][1] == "wall"
    assert second[A, "read", OBJECTS[0]][1] != "wall"
    assert told(host, walled) == first
    assert told(host, free) == second
