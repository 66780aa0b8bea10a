"""What a report does: at once, as far as the policy lets its sender, and never twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.evidence.conftest import IDS, LIMITED, VERIFIER, A, B, C, Reporting, report
from tests.pipeline.scripted import guest_id, web
from trustd.errors import StoreError
from trustd.model import Disk, Severity
from trustd.repository import ReportStore

GOOD = {"kind": "quote", "family": "attestation", "state": "ok", "summary": ""}


async def test_critical_finding_narrows_in_the_next_tick(reporting: Reporting) -> None:
    """A report is answered, and the very next tick has the guest in the lowest band with its
    narrowing sent; nobody else moves, and why names the sender."""
    assert await reporting.taken(report()) == ["new"]
    reporting.tick()
    now = reporting.guest()
    assert now.trust <= 0.05
    assert now.band == "isolated"
    assert "web-0" in reporting.rig.sent()
    assert reporting.rig.bands()["web-1"] == "trusted"
    (found,) = now.findings
    assert (found.kind, found.source, found.family) == ("ids:exploit", IDS, "intrusion")
    assert now.drivers[0].text == "ids: a known exploit was sent from it"
    (entry,) = reporting.journal()
    assert (entry.document["sender"], entry.document["severity"]) == (IDS, "critical")
    assert entry.document["by"].startswith("uid ")


async def test_repeated_report_is_one_finding(reporting: Reporting) -> None:
    """The same sender, kind and key again is the same finding: no more bad evidence, one line in
    the journal, and it holds until its last report expires; another key is another finding."""
    assert await reporting.taken(report(expires_in=5)) == ["new"]
    reporting.tick()
    bad = _bad(reporting)
    for _ in range(3):
        assert await reporting.taken(report(expires_in=5)) == ["again"]
        reporting.tick()
        assert _bad(reporting) <= bad
    assert len(reporting.journal()) == 1
    assert len(reporting.guest().findings) == 1
    reporting.tick(3)
    assert reporting.guest().findings == ()
    keys = [report(key=key) for key in ("a", "b")]
    assert await reporting.taken(keys) == ["new", "new"]


def _bad(reporting: Reporting) -> float:
    engine = reporting.rig.line._stages.engine
    roster = engine._roster
    return float(roster.table["bad"][engine.row(A), roster.family("intrusion")])


async def test_identity_that_came_before_is_not_counted(reporting: Reporting) -> None:
    """A message with an id that came before changes nothing, also after a restart; the same id of
    another sender is another message."""
    sent = report(id="n-1")
    assert await reporting.taken(sent) == ["new"]
    assert await reporting.taken(sent) == ["duplicate"]
    await reporting.taken(
        {"guest": {"uuid": A}, "kind": "exploit", "family": "intrusion", "state": "resolved"}
    )
    await reporting.restart()
    reporting.tick()
    assert await reporting.taken(sent) == ["duplicate"]
    reporting.tick()
    assert reporting.guest().findings == ()
    minor = report(id="n-1", severity="minor", expires_in=5)
    assert await reporting.taken(minor, LIMITED) == ["new"]


async def test_answered_report_outlives_the_daemon(reporting: Reporting) -> None:
    """Killed between the answer and the tick, the next run takes the report in, once; killed after
    the tick, the finding is open until it expires and is not weighed again."""
    await reporting.taken(report())
    await reporting.restart()
    reporting.tick()
    assert reporting.guest().band == "isolated"
    reporting.rig.land()
    bad = _bad(reporting)
    await reporting.restart()
    assert reporting.rig.line._stages.hearing.waiting() == {}
    reporting.tick()
    assert [each.kind for each in reporting.guest().findings] == ["ids:exploit"]
    assert _bad(reporting) <= bad


async def test_report_waits_for_a_hypervisor_that_is_away(reporting: Reporting) -> None:
    """A run that does not reach its guests yet keeps a report until they are there."""
    await reporting.taken(report())
    guests = reporting.rig.hypervisor.guests
    await reporting.restart()
    reporting.rig.hypervisor.guests = {}
    # what it waits for is told on the sender's clock
    reporting.tick(1, step=-reporting.rig.hypervisor.at)
    reporting.rig.hypervisor.guests = guests
    reporting.tick()
    assert reporting.guest().band == "isolated"


async def test_report_on_a_guest_that_cannot_be_stored_is_kept(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken in by a guest whose history cannot be read it counts at once, and stays in the store
    until the guest is stored with it: killed before that, the next run weighs it again."""
    await reporting.restart()
    memory = reporting.rig.line._stages.keeping._memory

    def unreadable(_guests: object) -> None:
        raise StoreError("a bad page")

    with monkeypatch.context() as broken:
        broken.setattr(memory, "guests", unreadable)
        reporting.tick()
        await reporting.taken(report())
        reporting.tick(3)
        assert reporting.guest().band == "isolated"
        reporting.rig.land()
        assert len(ReportStore(reporting.rig.database).waiting()) == 1
    await reporting.restart()
    reporting.tick()
    assert [each.kind for each in reporting.guest().findings] == ["ids:exploit"]
    memory = reporting.rig.line._stages.keeping._memory
    with monkeypatch.context() as broken:
        broken.setattr(memory, "guests", unreadable)
        # a guest that comes in while nothing can be read
        reporting.rig.hypervisor.change(web(9))
        reporting.tick()
        await reporting.taken(report(guest_id(9)))
        reporting.tick()
    reporting.tick(2)
    reporting.rig.land()
    assert ReportStore(reporting.rig.database).waiting() == []


async def test_store_that_fails_loses_no_accusation(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be stored an open finding counts all the same and the answer says so;
    nothing that speaks for a guest does."""

    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(ReportStore, "keep", fail)
    await reporting.refused([report()], 503, "1 open of 1 count")
    await reporting.refused(report(B, **GOOD), 503, "0 open of 1", VERIFIER)
    reporting.tick()
    assert reporting.guest().band == "isolated"


async def test_sender_withdraws_its_own_and_nobody_elses(reporting: Reporting) -> None:
    """Resolved by its sender the ceiling ends, what was said fades by itself; another sender that
    names the same kind and key withdraws nothing."""
    await reporting.taken([report(), report(B)])
    reporting.tick()
    gone = {"kind": "exploit", "family": "intrusion", "state": "resolved"}
    await reporting.taken({"guest": {"uuid": A}, **gone}, LIMITED)
    reporting.tick()
    assert reporting.guest().findings
    assert await reporting.taken({"guest": {"uuid": A}, **gone}) == ["resolved"]
    reporting.tick()
    assert reporting.guest().findings == ()
    # no gift: what it weighs is still there
    assert _bad(reporting) > 10
    assert reporting.guest().trust < 0.5
    assert reporting.guest(B).findings
    assert [each.document["state"] for each in reporting.journal()] == ["open", "resolved"]


async def test_policy_bounds_what_a_sender_may_say(reporting: Reporting) -> None:
    """A severity above its own counts as its own; another family, too long an expiry, a word of
    praise, or a sender that the policy does not name: refused, and nothing is kept."""
    await reporting.taken(report(expires_in=10), LIMITED)
    reporting.tick()
    (found,) = reporting.guest().findings
    assert found.severity is Severity.MINOR
    assert reporting.guest().band == "trusted"
    await reporting.refused(report(B, family="lifecycle"), 403, "not of lifecycle")
    await reporting.refused(report(B, expires_in=3601), 403, "at most")
    await reporting.refused(report(B, state="ok"), 403, "nothing good")
    await reporting.refused(report(B), 403, "takes no evidence of unlisted", "unlisted")
    await reporting.refused([report(B), report(B, family="x")], 403, "not of x")
    reporting.tick()
    assert reporting.guest(B).findings == ()
    assert reporting.journal(B) == []


async def test_kind_of_a_collector_is_not_taken_for_its_own(reporting: Reporting) -> None:
    """A sender that uses the name of a kind that the policy makes critical stays within its own
    severity: its kinds are its own."""
    reporting.rig.reload(
        reporting.rig.policy.replace(
            "    probation", "    findings: {exploit: critical}\n    probation", 1
        )
    )
    await reporting.taken(report(expires_in=5), LIMITED)
    reporting.tick()
    assert reporting.guest().findings[0].kind == "limited:exploit"
    assert reporting.guest().band == "trusted"


async def test_doubt_lifts_the_ceiling(reporting: Reporting) -> None:
    """Reliability and confidence multiply; what is believed to a quarter takes a quarter of what it
    could from trust's ceiling, and weighs a quarter."""
    said = report(family="attestation", confidence=0.5)
    await reporting.taken(said, VERIFIER)
    reporting.tick()
    engine = reporting.rig.line._stages.engine
    (found,) = engine.open_findings(A)
    assert found.finding.confidence == 0.25
    assert found.ceiling == pytest.approx(1 - 0.25 * 0.95)
    place = engine._roster.family("attestation")
    assert engine._roster.table["bad"][engine.row(A), place] == pytest.approx(5.0, rel=0.05)
    await reporting.restart()
    reporting.rig.reload(reporting.rig.policy.replace("critical: 0.05", "critical: 0.2"))
    reporting.tick()
    (found,) = reporting.rig.line._stages.engine.open_findings(A)
    assert found.ceiling == pytest.approx(1 - 0.25 * 0.8)


async def test_good_word_is_bounded_and_stays_under_others_ceilings(reporting: Reporting) -> None:
    """A sender that may say good things adds evidence up to its bound, however often it says so;
    under somebody else's critical finding trust does not move."""
    await reporting.taken(report())
    reporting.tick()
    held = reporting.guest().trust
    for _ in range(30):
        assert await reporting.taken(report(**GOOD), VERIFIER) == ["ok"]
        reporting.tick()
        assert reporting.guest().trust <= max(held, 0.05)
    engine = reporting.rig.line._stages.engine
    place = engine._roster.family("attestation")
    assert 3.0 < engine._roster.table["good"][engine.row(A), place] <= 4.0
    assert len([each for each in reporting.journal() if each.document["state"] == "ok"]) == 1


async def test_guest_is_found_by_what_the_host_knows(reporting: Reporting) -> None:
    """By UUID, name, MAC in any spelling, and disk; where it fits several or none, nothing is kept
    and the answer says which to choose from."""
    one = {"kind": "x", "severity": "info", "expires_in": 5}
    for ref in (
        {"uuid": B.upper()},
        {"name": "web-1"},
        {"mac": "52-54-00-00-00-01"},
        {"mac": "52:54:00:00:00:01"},
        {"disk": "/images/1.qcow2"},
    ):
        _, answer = await reporting.post(report(ref, **one))
        assert answer["reports"][0]["guest"] == B, ref
    reporting.rig.hypervisor.change(
        replace(web(2), name="web-0", disks=(Disk("vda", "/images/0.qcow2", shared=True),))
    )
    reporting.tick()
    for ref in ({"name": "web-0"}, {"disk": "/images/0.qcow2"}):
        await reporting.refused(report(ref), 409, C)
    await reporting.refused([report(B), report({"name": "no"})], 404, "report 1: no guest")
    await reporting.refused(report({"ip": "192.0.2.1"}), 503, "name the guest otherwise")
    await reporting.refused(report({"ip": "here"}), 400, "IP address")
    reporting.tick()
    assert reporting.guest().findings == ()


async def test_sender_is_bounded(reporting: Reporting) -> None:
    """Sixteen findings of one sender on a guest, not more, and so many reports a minute: beyond
    that 429 says when to come again, and others are heard."""
    await reporting.taken([report(key=str(number)) for number in range(16)])
    await reporting.refused(report(key="16"), 429, "16 at most")
    assert await reporting.taken(report(key="3")) == ["again"]
    minor = report(B, expires_in=5)
    await reporting.taken([minor] * 59, LIMITED)
    await reporting.taken(minor, LIMITED)
    await reporting.refused(minor, 429, "60 times a minute", LIMITED)
    assert int(reporting.headers["Retry-After"]) >= 1
    assert await reporting.taken(report(B)) == ["new"]
