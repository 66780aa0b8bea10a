"""Incidents open when they should, once, and follow what becomes of the guest."""

from __future__ import annotations

import pytest

from tests.incidents.conftest import POLICY, A, B, C
from tests.pipeline.scripted import CALM, guest_id, web
from trustd.errors import StoreError
from trustd.model import Author, Severity
from trustd.model.incident import Conclusion, IncidentState
from trustd.pipeline.incidents import HOST, Act, NoSuchIncident, NotNow

ADA = Author(1000, 4711, "ada")


def act(ward, what, number=1, **more):
    return ward.incidents.act(Act(number, what, ADA, ward.rig.hypervisor.at, **more))


def kinds(incident):
    return [each.kind for each in incident.marks]


def test_fall_opens_one_incident_and_folds_what_follows(ward):
    """A guest that falls has one incident with its cause, what was held against it, what it lost,
    its trust before and after, and a deadline; while it stays low there is no other one."""
    ward.fall()
    ward.tick(20)
    found = ward.only
    assert (found.number, found.guest, found.state) == (1, A, IncidentState.OPEN)
    assert found.severity is Severity.MAJOR
    assert found.due == found.opened + 60
    assert "guarded" in found.cause
    evidence = [each for each in found.marks if each.kind == "evidence"]
    assert [(each.name.partition(" ")[0], each.severity) for each in evidence] == [
        ("envelope:disk.write.bytes", "major")
    ]
    assert found.affected == ("write on volume /images/0.qcow2",)
    assert found.points[0].band == "trusted"
    assert found.points[0].trust > 0.8
    assert found.points[-1].trust < 0.5
    assert kinds(found).count("opened") == 1
    assert ward.told(A) == ["opened"]


def test_guests_that_do_nothing_open_nothing(new_ward):
    """No incident in a hundred quiet ticks, nor of a newcomer that begins in a low band."""
    ward = new_ward(policy=POLICY.replace("probation: trusted", "probation: restricted"))
    ward.rig.hypervisor.change(web(7))
    ward.tick(1)
    assert ward.rig.bands()["web-7"] == "restricted"
    ward.tick(99)
    assert not ward.all


def test_one_late_answer_is_no_fall_and_silence_is(new_ward):
    """A newcomer in a low band that once does not answer in time is no incident; it is one where
    it stays silent for as long as the policy says."""
    low = POLICY.replace("probation: trusted", "probation: restricted")
    ward = new_ward(policy=low)
    ward.rig.hypervisor.change(web(7))
    ward.tick(2)
    ward.rig.hypervisor.partial = {guest_id(7)}
    ward.tick(1)
    assert ward.rig.bands()["web-7"] == "restricted"
    assert not ward.all
    ward.tick(30)
    assert [each.guest for each in ward.all] == [guest_id(7)]


def test_recovery_waits_for_somebody(ward):
    """A guest that is back is recovered and not resolved; when it falls again the same incident is
    open again."""
    ward.fall()
    ward.recover()
    assert ward.only.state is IncidentState.RECOVERED
    assert ward.only.recovered is not None
    ward.fall()
    assert ward.only.state is IncidentState.OPEN
    assert ward.only.recovered is None
    assert ward.told(A) == ["opened", "recovered", "again"]


def test_resolved_while_low_stays_resolved(ward):
    """What merely lasts opens nothing after it was resolved; a fall after a recovery re-opens."""
    ward.fall()
    act(ward, "resolve", conclusion=Conclusion.FAULT, text="known")
    ward.tick(20)
    assert ward.only.state is IncidentState.RESOLVED
    ward.recover()
    assert ward.only.state is IncidentState.RESOLVED
    ward.fall()
    again = ward.only
    assert (again.state, again.reopened, again.conclusion) == (IncidentState.OPEN, 1, None)
    assert again.acknowledged is None
    assert again.due is not None
    assert again.due > again.opened + 60
    assert ward.told(A) == ["opened", "resolve", "again"]


def test_later_recurrence_is_a_new_one_and_linked(ward):
    """Beyond the policy's time, the next fall is another incident that names the one before."""
    ward.fall()
    ward.recover()
    act(ward, "resolve", conclusion=Conclusion.MAINTENANCE)
    ward.rig.tick(step=3700)
    ward.fall()
    open_ = [each for each in ward.all if each.open]
    assert [(each.number, each.follows) for each in open_] == [(2, 1)]
    ward.incidents.close()
    ward.tick()
    assert ward.store.get(1).state is IncidentState.RESOLVED


def test_what_is_over_is_let_go_with_its_guest_and_read_when_it_is_back(ward):
    """Once it is stored and may not be opened again, memory keeps no incident of a guest that left;
    back as low as it was it has no new one, and after its next fall one that names the first."""
    ward.fall()
    act(ward, "resolve", conclusion=Conclusion.FAULT)
    guest = ward.rig.hypervisor.guests[A]
    ward.rig.hypervisor.undefine(A)
    ward.tick(2)
    assert ward.only.number == 1, "it may still be opened again"
    ward.rig.tick(step=3700)
    ward.rig.land()
    ward.tick(2)
    assert not ward.all
    ward.rig.hypervisor.change(guest)
    ward.tick(5)
    assert ward.rig.bands()["web-0"] == "guarded"
    assert [(each.number, each.open) for each in ward.all] == [(1, False)]
    ward.recover()
    ward.fall()
    assert [(each.number, each.follows) for each in ward.all if each.open] == [(2, 1)]


def test_nothing_that_is_open_is_let_go(ward):
    """An incident that nobody resolved stays, however long its guest is gone."""
    ward.fall()
    ward.rig.hypervisor.undefine(A)
    ward.rig.tick(step=3700)
    ward.tick(5)
    assert ward.only.open


def test_severity_only_rises(new_ward):
    """A guest that falls further raises it, and shortens the deadline; one that recovers a little
    does not lower it."""
    policy = POLICY.replace("open_at: guarded", "open_at: guarded, severities: {guarded: minor}")
    ward = new_ward(policy=policy)
    ward.fall()
    assert ward.only.severity is Severity.MINOR
    assert ward.only.due is None
    ward.rig.reload(policy.replace("guarded: minor", "guarded: critical"))
    ward.tick()
    assert ward.only.severity is Severity.CRITICAL
    assert ward.only.due is not None
    ward.rig.reload(policy)
    ward.tick(3)
    assert ward.only.severity is Severity.CRITICAL
    assert ward.told(A) == ["opened", "severity"]


def test_critical_finding_opens_one_above_every_low_band(new_ward):
    """A critical finding is an incident whatever band the policy opens at."""
    policy = CALM.replace("severity: major", "severity: critical") + (
        "\nincidents: {open_at: isolated, severities: {isolated: minor}}\n"
    )
    assert "severity: critical" in policy
    ward = new_ward(policy=policy)
    ward.fall()
    assert ward.only.severity is Severity.CRITICAL
    assert "critical: " in ward.only.cause


def test_policy_resolves_by_itself_only_where_it_says_so(new_ward):
    """With ``resolve`` a recovered incident ends after that time, with no conclusion."""
    ward = new_ward(policy=POLICY.replace("reopen: 1h", "reopen: 1h, resolve: 30s"))
    ward.fall()
    ward.recover()
    ward.tick(10)
    assert ward.only.state is IncidentState.RECOVERED
    ward.tick(10)
    assert ward.only.state is IncidentState.RESOLVED
    assert ward.only.conclusion is Conclusion.NONE


def test_hold_is_one_incident_of_the_host(new_ward):
    """When too many fall at once, the host has one incident that names each guest that is held, and
    every guest its own; it recovers with the hold."""
    policy = POLICY.replace("max: 10, percent: 100", "max: 2, percent: 20")
    assert policy != POLICY
    ward = new_ward(8, policy=policy)
    everyone = [guest_id(number) for number in range(8)]
    ward.fall(*everyone)
    assert ward.rig.fleet.held
    (hold,) = [each for each in ward.all if each.guest == HOST]
    assert hold.severity is Severity.CRITICAL
    assert {each.name for each in hold.marks if each.kind == "hold"} == set(ward.rig.fleet.held)
    assert {each.guest for each in ward.all} == {HOST, *everyone}
    ward.recover(*everyone)
    (hold,) = [each for each in ward.all if each.guest == HOST]
    assert hold.state is IncidentState.RECOVERED


def test_kills_open_nothing_twice_and_lose_nothing(ward):
    """Five kills while a guest is low: the same incident with its acts, told once."""
    ward.fall()
    act(ward, "ack")
    act(ward, "assign", text="grace")
    before = ward.only
    for _ in range(5):
        ward.restart()
        ward.tick(3)
    after = ward.only
    assert (after.number, after.opened, after.due) == (1, before.opened, before.due)
    assert (after.acknowledged, after.assigned) == (before.acknowledged, "grace")
    assert after.marks[: len(before.marks)] == before.marks
    assert kinds(after).count("opened") == 1
    assert ward.told(A) == ["opened", "ack", "assign"]


def test_kill_before_the_first_write_opens_it_at_the_next_start(ward, monkeypatch):
    """A fall whose incident did not reach the disk is an incident in the next run."""
    monkeypatch.setattr(ward.incidents, "flush", lambda: None)
    ward.fall()
    assert ward.only.guest == A
    ward.rig.restart()
    ward.begin()
    assert not ward.all
    ward.tick(1)
    assert ward.only.guest == A


def test_store_that_fails_loses_nothing(ward):
    """While the repository refuses writes an incident is shown, an act is refused and changes
    nothing, and both are stored once it takes them again."""
    database, submit = ward.rig.database, ward.rig.database.submit

    def failing(work, *, synced=True):
        return submit(lambda _: (_ for _ in ()).throw(OSError(28, "no space")), synced=synced)

    database.submit = failing
    ward.fall()
    before = ward.only
    with pytest.raises(StoreError, match="nothing was changed"):
        act(ward, "ack")
    assert ward.only == before
    del database.submit
    for _ in range(3):
        ward.tick()
        ward.rig.settle()
    assert ward.store.get(1) == ward.only
    assert ward.told(A) == ["opened"]


def test_acts_are_in_the_record_and_the_journal_with_their_author(ward):
    """Acknowledge, assign, comment and resolve are stored with who, and answered when stored."""
    ward.fall(A, B)
    first = ward.all[0]
    act(ward, "ack")
    act(ward, "assign", text="grace")
    act(ward, "comment", text="<b>seen</b>")
    done = act(ward, "resolve", conclusion=Conclusion.ATTACK, text="confirmed")
    assert ward.store.get(1) == done
    assert (done.state, done.conclusion) == (IncidentState.RESOLVED, Conclusion.ATTACK)
    assert [(each.by, each.uid) for each in done.marks[-4:]] == [("ada", 1000)] * 4
    entries = ward.rig.journal(first.guest, "incident")[-4:]
    assert [each.document["act"] for each in entries] == ["ack", "assign", "comment", "resolve"]
    assert {(each.document["uid"], each.document["pid"]) for each in entries} == {(1000, 4711)}
    assert [each.open for each in ward.all] == [False, True]


def test_what_makes_no_sense_is_refused(ward):
    """A resolved incident takes comments and nothing else; one that is not there takes nothing."""
    with pytest.raises(NoSuchIncident):
        act(ward, "ack")
    ward.fall()
    act(ward, "resolve", conclusion=Conclusion.FAULT)
    for what in ("ack", "assign", "resolve"):
        with pytest.raises(NotNow):
            act(ward, what, text="x")
    assert act(ward, "comment", text="later").marks[-1].text == "later"


def test_overdue_until_somebody_acknowledges(ward):
    """After its deadline an incident is overdue, and after the word of somebody it is not."""
    ward.fall()
    found = ward.only
    assert not found.overdue(found.due)
    assert found.overdue(found.due + 1)
    assert not act(ward, "ack").overdue(found.due + 1)


def test_guest_that_is_gone_is_told_once(ward):
    """An incident whose guest was undefined stays, and says so once."""
    ward.fall(C)
    ward.rig.hypervisor.undefine(C)
    ward.tick(5)
    assert kinds(ward.only).count("gone") == 1
    assert ward.only.open
