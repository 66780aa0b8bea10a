"""A restart, however the daemon ended, forgets nothing and tells nothing twice."""

from __future__ import annotations

import math

import pytest

from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from trustd.model import Freshness

A, B, C = (guest_id(number) for number in range(3))
SLOW = CALM.replace("rise: 360/h", "rise: 36/h").replace("dwell: {up: 3s}", "dwell: {up: 30s}")


@pytest.fixture
def rig(new_rig):
    """Three guests that are trusted, one of which falls."""
    rig = new_rig(policy=SLOW)
    rig.tick(40)
    assert set(rig.bands().values()) == {"trusted"}
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(2)
    assert rig.bands()["web-0"] == "guarded"
    return rig


def standing(guest):
    return guest.band, guest.since, guest.trust


def test_kill_keeps_bands_trust_and_findings(rig):
    """After a kill a guest has the band, since the same time, and no more trust than before; its
    finding is open; nobody is shown as trusted meanwhile who was not."""
    before = rig.fleet.guests
    rig.restart()
    now = rig.tick().guests
    assert {id_: each.band for id_, each in now.items()} == {
        id_: each.band for id_, each in before.items()
    }
    assert now[A].since == before[A].since
    assert now[A].trust <= before[A].trust + 0.02
    assert {each.kind for each in now[A].findings} == {each.kind for each in before[A].findings}


def test_clean_stop_keeps_everything(rig):
    """After a stop every guest's trust and band are what they were."""
    before = rig.fleet.guests
    rig.stop()
    rig.start()
    now = rig.tick().guests
    for id_, each in now.items():
        assert each.trust == pytest.approx(before[id_].trust, abs=0.02)
        assert standing(each)[:2] == standing(before[id_])[:2]


def test_journal_tells_nothing_twice(rig):
    """Ten kills in a row, with the same guest low, add nothing to the journal."""
    bands, actions = rig.journal(A, "band"), rig.journal(A, "action")
    assert [(each.document["before"], each.document["after"]) for each in bands] == [
        ("trusted", "guarded")
    ]
    assert {each.document["status"] for each in actions} == {"failed"}
    for _ in range(10):
        rig.restart()
        rig.tick(2)
    assert rig.journal(A, "band") == bands
    assert rig.journal(A, "action") == actions


def test_journal_tells_of_a_second_offence_when_observing(new_rig):
    """In observe mode what would be done is told once for each time, and so is its end, also
    after a recovery."""
    rig = new_rig(policy=CALM.replace("mode: enforce", "mode: observe"))
    rig.tick(8)
    for _ in range(2):
        rig.hypervisor.writes[A] = TOO_MUCH
        rig.tick(3)
        assert rig.bands()["web-0"] == "guarded"
        rig.hypervisor.writes.clear()
        rig.tick(60)
        assert rig.bands()["web-0"] == "trusted"
    told = rig.journal(A, "action")
    places = {each.document["device"] for each in told}
    for status in ("would-apply", "ended"):
        assert len([one for one in told if one.document["status"] == status]) == 2 * len(places)
    assert len(told) == 4 * len(places)


def test_dwell_begins_anew(rig):
    """A restart does not shorten the time for which trust must hold before a band is entered."""
    rig.hypervisor.writes.clear()
    rig.tick(2)
    while rig.fleet.guests[A].trust < 0.48:
        rig.tick()
    rig.restart()
    rig.tick(14)
    assert rig.bands()["web-0"] == "guarded"


def test_guest_that_never_changed_band_is_remembered(new_rig):
    """A guest that is in the band in which it began is known after a kill, with what it has earned
    by the last save, and is put on no new probation."""
    strict = CALM.replace("probation: trusted", "probation: guarded").replace(
        "dwell: {up: 3s}", "dwell: {up: 1h}"
    )
    rig = new_rig(1, policy=strict)
    rig.tick(5)
    since = rig.fleet.guests[A].since
    rig.policy = strict.replace("probation: guarded", "probation: trusted")
    rig.restart()
    rig.tick()
    assert rig.bands() == {"web-0": "guarded"}
    assert rig.fleet.guests[A].since == since


@pytest.mark.parametrize("step", [-7200.0, 0.0, 7200.0])
def test_age_after_a_restart_is_the_larger_of_both_clocks(rig, step):
    """A guest that is not measured after the restart is as old as the boot clock or the wall clock
    says, whichever says more: setting the clock back makes nobody young."""
    rig.save()
    rig.kill()
    rig.hypervisor.error = "connection refused"
    rig.hypervisor.at += 100.0
    rig.hypervisor.clock += 100.0
    rig.start()
    now = rig.tick(step=step).guests[A]
    assert now.freshness is Freshness.STALE
    assert now.age == pytest.approx(102.0 + max(step, 0.0), abs=0.1)


def test_guest_that_was_quiet_for_days_is_not_days_old(new_rig):
    """A guest of which nothing was worth a save for days is as old after a restart as the last
    save of everything, so that a restart without libvirt puts nobody in the worst band."""
    rig = new_rig()
    rig.tick(8)
    rig.tick(10, seconds=30_000.0)
    rig.save()
    rig.kill()
    rig.hypervisor.error = "connection refused"
    rig.start()
    now = rig.tick().guests[A]
    assert now.age == pytest.approx(2.0)
    assert now.band == "trusted"


def test_host_reboot_keeps_bands(rig):
    """After a reboot of the host the boot clock begins anew; bands and trust do not."""
    rig.save()
    rig.kill()
    rig.hypervisor.clock = 20.0
    rig.hypervisor._last = 20.0
    rig.hypervisor.at += 300.0
    rig.start()
    rig.tick()
    assert rig.bands() == {"web-0": "guarded", "web-1": "trusted", "web-2": "trusted"}


def test_reload_with_other_bands_lifts_nobody(rig):
    """A policy with other bands gives a low guest no band that its trust did not earn."""
    other = SLOW.replace("trusted", "green").replace("guarded", "yellow")
    rig.reload(other)
    assert "yellow" in rig.policy
    rig.tick()
    assert rig.bands() == {"web-0": "yellow", "web-1": "green", "web-2": "green"}
    rig.policy = SLOW
    rig.restart()
    rig.tick()
    assert rig.bands()["web-0"] == "guarded"


def test_reload_of_the_same_policy_interrupts_nothing(new_rig):
    """A storm of reloads of an unchanged policy keeps no guest from rising."""
    rig = new_rig(1, policy=CALM.replace("dwell: {up: 3s}", "dwell: {up: 20s}"))
    rig.tick(8)
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(2)
    rig.hypervisor.writes.clear()
    for _ in range(60):
        rig.reload(rig.policy)
        rig.tick()
    assert rig.bands() == {"web-0": "trusted"}


def test_recovery_is_not_undone_by_a_kill(new_rig):
    """A guest that recovered since the last save of everything is recovered after a kill."""
    rig = new_rig(1)
    rig.tick(8)
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(2)
    rig.save()
    rig.hypervisor.writes.clear()
    rig.tick(40)
    assert rig.bands() == {"web-0": "trusted"}
    rig.restart()
    rig.tick()
    assert rig.bands() == {"web-0": "trusted"}
    assert not math.isnan(rig.fleet.guests[A].age)


def test_one_damaged_history_costs_no_other_guest(rig):
    """A guest whose kept history cannot be read is watched from now on; the others have theirs."""
    rig.hypervisor.undefine(A)
    rig.tick(4, seconds=250.0)
    rig.land()
    rig.database.write(
        lambda connection: connection.execute("UPDATE history SET document = '{\"format\": 1}'")
    )
    rig.hypervisor.change(web(0))
    fleet = rig.tick()
    assert set(fleet.guests) == {A, B, C}
    assert fleet.guests[A].freshness is Freshness.FRESH
    assert fleet.guests[A].band != "trusted"
