"""Enforcement while things go wrong: hung emulators, restarts, crashes, saved images."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import libvirt
import pytest

from tests.enforce.conftest import SETTINGS
from tests.enforce.standing import (
    MemoryLedger,
    action,
    enforced,
    everything,
    feels_link,
    reconciled,
    statuses,
)
from tests.lab.fixtures import StartGuests
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce import Enforcer, standard_actuators
from trustd.hypervisor import ControlConnection
from trustd.model import GuestEvent, GuestId, Setting
from trustd.repository import Database, IntentLedger

pytestmark = pytest.mark.lab

FLOOR: Setting = {"write_bytes_sec": 4096, "write_iops_sec": 1}
DOWN: Setting = {"link": "down"}
GIVEN_UP = 5.0
"""Seconds after which an emulator counts as hung; a busy machine takes less."""


@pytest.fixture
def brisk(
    hypervisor: Hypervisor, control: ControlConnection, ledger: MemoryLedger
) -> Iterator[Enforcer]:
    """An enforcer that gives up what hangs, and waits until it has."""
    levers = standard_actuators(hypervisor.path("/sys/fs/cgroup"))
    started = Enforcer(control, ledger, levers, replace(SETTINGS, deadline=GIVEN_UP))
    yield started
    started.restore_all(at=9.0, within=60)
    started.close()


def _restarted(guest: Guest) -> GuestEvent:
    return GuestEvent(GuestId(guest.uuid), guest.name, "lifecycle", 2.0, "started", "booted")


def test_a_hung_emulator_delays_nobody_and_is_narrowed_when_it_goes_on(
    subject: Guest, guests: StartGuests, brisk: Enforcer, ledger: MemoryLedger
) -> None:
    """One guest's QEMU hangs: the other does not wait for it, and it is narrowed once it can be."""
    (other,) = guests(GuestSpec("prompt"))
    before = everything(subject)
    identity = GuestId(subject.uuid)
    subject.freeze()
    try:
        wanted = {
            identity: enforced(
                action(subject, "cpu-quota", {"percent": 50}),
                action(subject, "disk-throttle", FLOOR),
                action(subject, "nic-link", DOWN),
            ),
            GuestId(other.uuid): enforced(action(other, "disk-throttle", FLOOR)),
        }
        told = brisk.reconcile(wanted, at=1.0)
        assert statuses(told[GuestId(other.uuid)]) == ["applied"]
        assert told[GuestId(other.uuid)][0].seconds < GIVEN_UP
        assert statuses(told[identity]) == ["applied", "timed-out", "timed-out"]
        assert brisk.unsettled == 1
        began = time.monotonic()
        assert identity not in brisk.reconcile({}, at=2.0)  # nothing piles up behind it
        assert time.monotonic() - began < GIVEN_UP
    finally:
        subject.thaw()

    def applied() -> bool:
        brisk.reconcile({}, at=3.0)
        return set(statuses(brisk.outcomes(identity))) == {"held"} and not brisk.unsettled

    wait_until(applied, "narrowed once it goes on", seconds=60)
    during = everything(subject)
    assert during["vda"]["write_bytes_sec"] == 4096
    assert "<link state='down'/>" in during["live"]
    assert statuses(reconciled(brisk, subject)) == ["restored"] * 3
    assert everything(subject) == before
    reconciled(brisk, other)
    assert not ledger.kept


def test_what_lands_late_is_given_back_when_nobody_wants_it_any_more(
    subject: Guest, brisk: Enforcer, ledger: MemoryLedger
) -> None:
    """A call that was given up and lands after a change of mind does not stay in force."""
    before = everything(subject)
    identity = GuestId(subject.uuid)
    subject.freeze()
    try:
        told = reconciled(brisk, subject, action(subject, "disk-throttle", FLOOR))
        assert statuses(told) == ["timed-out"]
        brisk.reconcile({identity: enforced()}, at=2.0)
    finally:
        subject.thaw()

    def settled() -> bool:
        brisk.reconcile({}, at=3.0)
        return not brisk.unsettled

    wait_until(settled, "given back", seconds=60)
    assert everything(subject) == before
    assert not ledger.kept


def test_a_guest_that_restarts_while_narrowed_is_narrowed_again(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """Limits end with a run; the next run gets them anew, and its own state back afterwards."""
    wanted = (action(subject, "disk-throttle", FLOOR), action(subject, "nic-link", DOWN))
    reconciled(enforcer, subject, *wanted)
    identity = GuestId(subject.uuid)

    subject.destroy()
    enforcer.mark([_restarted(subject)])
    assert enforcer.reconcile({}, at=2.0)[identity] == ()  # it is off: nothing to say
    config, live = libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_AFFECT_LIVE
    with subject.domain() as domain:  # the administrator gave it a limit of its own meanwhile
        domain.setBlockIoTune("vda", {"total_bytes_sec": 7_000_000}, config)
        try:
            subject.start()
            subject.wait_ready()
            fresh = everything(subject)
            assert fresh["vda"]["total_bytes_sec"] == 7_000_000

            enforcer.mark([_restarted(subject)])
            assert statuses(enforcer.reconcile({}, at=3.0)[identity]) == ["applied", "applied"]
            assert everything(subject)["vda"]["write_bytes_sec"] == 4096
            feels_link(subject, up=False)
            assert statuses(reconciled(enforcer, subject)) == ["restored", "restored"]
            assert everything(subject) == fresh
            assert not ledger.kept
        finally:
            domain.setBlockIoTune("vda", {"total_bytes_sec": 0}, config | live)


def test_a_restart_of_libvirtd_loses_neither_the_limits_nor_the_way_back(
    subject: Guest, hypervisor: Hypervisor, enforcer: Enforcer
) -> None:
    """The run goes on: what is in force is held, and given back to the byte."""
    hypervisor.restart_libvirtd()  # the first one lists a guest's controllers in another order
    before = everything(subject)
    wanted = (
        action(subject, "cpu-quota", {"percent": 20}),
        action(subject, "disk-throttle", FLOOR),
        action(subject, "nic-link", DOWN),
    )
    reconciled(enforcer, subject, *wanted)
    hypervisor.restart_libvirtd()
    enforcer.resync()
    identity = GuestId(subject.uuid)

    def held() -> bool:
        enforcer.reconcile({}, at=2.0)
        return statuses(enforcer.outcomes(identity)) == ["held"] * 3 and not enforcer.unsettled

    wait_until(held, "held over the restart", seconds=60)
    assert statuses(reconciled(enforcer, subject)) == ["restored"] * 3
    assert everything(subject) == before


def test_a_limit_that_comes_back_with_a_saved_image_is_still_ours_to_lift(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """A guest that was saved narrowed, and regained its trust while off, wakes up whole."""
    before = everything(subject)
    reconciled(enforcer, subject, action(subject, "disk-throttle", FLOOR))
    subject.close()
    with subject.domain() as domain:
        domain.managedSave(0)
    assert reconciled(enforcer, subject) == ()
    assert ledger.kept, "what the image will bring back must not be forgotten"
    subject.start()
    subject.wait_ready()
    assert everything(subject)["vda"]["write_bytes_sec"] == 4096

    enforcer.mark([_restarted(subject)])
    identity = GuestId(subject.uuid)
    assert statuses(enforcer.reconcile({}, at=2.0)[identity]) == ["restored"]
    after = everything(subject)
    assert "iotune" not in after["live"]
    assert after["vda"] == before["vda"]
    assert not ledger.kept


def test_a_limit_in_the_definition_itself_is_the_guests_own(
    subject: Guest, enforcer: Enforcer
) -> None:
    """A new run whose definition says what ours said keeps it: it is not ours any more."""
    reconciled(enforcer, subject, action(subject, "nic-link", DOWN))
    subject.destroy()
    config = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    with subject.domain() as domain:
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        plain = xml[xml.index("<interface") : xml.index("</interface>") + len("</interface>")]
        try:
            domain.updateDeviceFlags(plain.replace("<model", "<link state='down'/><model"), config)
            subject.start()
            subject.wait_ready()
            reconciled(enforcer, subject)
            feels_link(subject, up=False)
        finally:
            domain.updateDeviceFlags(plain, config)
    subject.destroy()
    subject.start()
    subject.wait_ready()


CRASH = """
import os, sys
from pathlib import Path
from trustd.enforce import Desired, Enforcer, EnforceSettings, standard_actuators
from trustd.enforce.actuators import DiskThrottle
from trustd.hypervisor import ControlConnection, HypervisorSettings
from trustd.model import Action, GuestId, Mode
from trustd.repository import Database, IntentLedger

uri, state, guest, moment, wanted = sys.argv[1:]

class Dying(DiskThrottle):
    def write(self, domain, device, state):
        if moment == "before":
            os._exit(9)
        super().write(domain, device, state)
        os._exit(9)

enforcer = Enforcer(
    ControlConnection(HypervisorSettings(uri=uri)),
    IntentLedger(Database(Path(state))),
    [Dying()],
    EnforceSettings(deadline=60, patience=120),
)
floor = {"write_bytes_sec": 4096, "write_iops_sec": 1}
actions = (Action(GuestId(guest), "disk-throttle", "vda", floor, "a test"),)
desired = Desired(actions if wanted == "narrow" else (), Mode.ENFORCE)
enforcer.reconcile({GuestId(guest): desired}, at=1.0)
"""


@pytest.mark.parametrize("crash", list(product(["before", "after"], ["narrow", "release"])))
def test_a_crash_around_the_act_leaves_nothing_looser_and_nothing_unrecorded(
    subject: Guest,
    hypervisor: Hypervisor,
    new_enforcer: Callable[..., Enforcer],
    tmp_path: Path,
    crash: tuple[str, str],
) -> None:
    """Killed just before or just after the act, the next run finds and makes the right state."""
    moment, wanted = crash
    before = everything(subject)
    state, identity = tmp_path / "trustd.db", GuestId(subject.uuid)
    floor = action(subject, "disk-throttle", FLOOR)
    if wanted == "release":
        database = Database(state)
        reconciled(new_enforcer(IntentLedger(database)), subject, floor)
        database.close()
    died = subprocess.run(
        [sys.executable, "-c", CRASH, hypervisor.uri, state, subject.uuid, moment, wanted],
        timeout=180,
        check=False,
    )
    assert died.returncode == 9

    database = Database(state)
    ledger = IntentLedger(database)
    assert [each.prior for each in ledger.intents()] == [{}], "it is on record whatever happened"
    limited = everything(subject)["vda"]["write_bytes_sec"] == 4096
    assert limited is ((moment == "after") is (wanted == "narrow"))
    enforcer = new_enforcer(ledger)
    if wanted == "narrow":
        told = enforcer.reconcile({identity: enforced(floor)}, at=2.0)[identity]
        assert statuses(told) == ["applied" if moment == "before" else "held"]
        assert everything(subject)["vda"]["write_bytes_sec"] == 4096
    assert statuses(enforcer.reconcile({identity: enforced()}, at=3.0)[identity]) == ["restored"]
    assert everything(subject) == before
    assert not ledger.intents()
    database.close()
