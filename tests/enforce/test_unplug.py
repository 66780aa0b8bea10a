"""Devices that leave a real guest: asked, refused, gone, and the very same back again."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

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
from tests.lab.guest import Guest
from tests.lab.waiting import wait_until
from trustd.enforce import Enforcer
from trustd.enforce.actuators import DiskThrottle, NicLink, Pause, Unplug
from trustd.enforce.actuators.unplug import NOT_LET_GO
from trustd.hypervisor import ControlConnection
from trustd.hypervisor.description import guest_from_xml
from trustd.model import Action, GuestEvent, GuestId, GuestState, Setting

pytestmark = pytest.mark.lab

OUT: Setting = {"attached": False}
DOWN: Setting = {"link": "down"}


@pytest.fixture
def subject(plugged: Guest) -> Guest:
    """A running guest with a second disk; each test gives back what it takes."""
    return plugged


@pytest.fixture
def new_enforcer(
    control: ControlConnection, ledger: MemoryLedger
) -> Iterator[Callable[[], Enforcer]]:
    """Enforcers that wait for a guest as long as a busy host takes."""
    started = []

    def start() -> Enforcer:
        levers = [NicLink(), DiskThrottle(), Pause(), Unplug(patience=60.0, moment=45.0)]
        started.append(Enforcer(control, ledger, levers, replace(SETTINGS, returned=0.2)))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def impatient(control: ControlConnection, ledger: MemoryLedger) -> Iterator[Callable[[], Enforcer]]:
    """Enforcers that leave a guest an instant, and take it for refusing after some seconds."""
    started = []

    def start() -> Enforcer:
        levers = [NicLink(), DiskThrottle(), Pause(), Unplug(patience=5.0, moment=0.3)]
        started.append(Enforcer(control, ledger, levers, replace(SETTINGS, returned=0.2)))
        return started[-1]

    yield start
    for each in started:
        each.close()


def _lasting(state: dict[str, Any]) -> dict[str, Any]:
    """Everything but what libvirt gives anew whenever a device is plugged in."""
    live = re.sub(r" (index|portid)='[^']*'|<target dev='vnet\d+'/>", "", state["live"])
    return state | {"live": live}


def _settled(enforcer: Enforcer, guest: Guest, *wanted: str) -> None:
    def so() -> bool:
        enforcer.resync()
        enforcer.reconcile({}, at=2.0)
        return statuses(enforcer.outcomes(GuestId(guest.uuid))) == list(wanted)

    wait_until(so, f"outcomes {wanted}", seconds=90)


def _forgotten(enforcer: Enforcer, ledger: MemoryLedger) -> None:
    """Whatever is back is known to stay, and nothing is kept of it."""

    def so() -> bool:
        enforcer.reconcile({}, at=2.0)
        return not ledger.kept

    wait_until(so, "nothing is kept of what was given back", seconds=60)


def _out(guest: Guest, device: str) -> Action:
    return action(guest, "unplug", OUT, device)


def test_an_unplugged_interface_is_gone_and_the_same_one_comes_back(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """The guest's kernel has no interface; then one at the same place with the same address."""
    before = everything(subject)
    assert subject.devices() == {"vda", "vdb", "eth0"}

    applied = reconciled(enforcer, subject, _out(subject, subject.spec.mac(0)))
    assert statuses(applied) == ["applied"]
    assert subject.devices() == {"vda", "vdb"}
    during = everything(subject)
    assert "<interface" not in during["live"]
    assert during["persistent"] == before["persistent"]
    enforcer.resync()
    assert statuses(enforcer.reconcile({}, at=2.0)[GuestId(subject.uuid)]) == ["held"]

    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert _lasting(everything(subject)) == _lasting(before)
    _forgotten(enforcer, ledger)
    wait_until(lambda: "eth0" in subject.devices(), "the interface again", seconds=60)


def test_an_unplugged_disk_is_gone_and_comes_back_with_its_limits(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """A limit that an administrator had set on the disk is there again as well."""
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    with subject.domain() as domain:
        domain.setBlockIoTune("vdb", {"total_bytes_sec": 9_000_000}, live)
        try:
            before = everything(subject)
            reconciled(enforcer, subject, _out(subject, "vdb"))
            assert subject.devices() == {"vda", "eth0"}
            assert "dev='vdb'" not in domain.XMLDesc(0)

            assert statuses(reconciled(enforcer, subject)) == ["restored"]
            assert _lasting(everything(subject)) == _lasting(before)
            _forgotten(enforcer, ledger)
            wait_until(lambda: "vdb" in subject.devices(), "the disk again", seconds=60)
        finally:
            domain.setBlockIoTune("vdb", {"total_bytes_sec": 0}, live)


def test_what_else_narrowed_the_device_survives_its_absence_and_is_given_back(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """The link is down before the interface leaves, when it comes back, and up at the end."""
    before, mac = everything(subject), subject.spec.mac(0)
    both = (action(subject, "nic-link", DOWN), _out(subject, mac))
    assert statuses(reconciled(enforcer, subject, *both)) == ["applied", "applied"]
    enforcer.resync()
    assert statuses(enforcer.reconcile({}, at=2.0)[GuestId(subject.uuid)]) == ["held", "held"]

    told = reconciled(enforcer, subject, action(subject, "nic-link", DOWN))
    assert statuses(told) == ["restored", "held"]
    assert "<link state='down'/>" in everything(subject)["live"]
    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert _lasting(everything(subject)) == _lasting(before)
    _forgotten(enforcer, ledger)


def test_what_ends_while_the_device_is_away_is_given_back_when_it_returns(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """The link may come up again, but there is none: it does when the interface is back."""
    before, out = everything(subject), _out(subject, subject.spec.mac(0))
    reconciled(enforcer, subject, action(subject, "nic-link", DOWN), out)
    assert statuses(reconciled(enforcer, subject, out)) == ["held"]
    assert statuses(reconciled(enforcer, subject)) == ["restored", "restored"]
    assert _lasting(everything(subject)) == _lasting(before)
    _forgotten(enforcer, ledger)


def test_a_restart_of_trustd_finds_what_it_took_away(
    subject: Guest, new_enforcer: Callable[[], Enforcer], ledger: MemoryLedger
) -> None:
    """The device comes back from the ledger, although nothing on the host tells of it."""
    before = everything(subject)
    reconciled(new_enforcer(), subject, _out(subject, "vdb"))
    last = new_enforcer()
    assert statuses(reconciled(last, subject)) == ["restored"]
    assert _lasting(everything(subject)) == _lasting(before)
    _forgotten(last, ledger)


def test_the_plan_still_sees_the_device(subject: Guest, enforcer: Enforcer) -> None:
    """An unplugged device does not make the reason for which it was unplugged disappear."""
    reconciled(enforcer, subject, _out(subject, "vdb"), _out(subject, subject.spec.mac(0)))
    with subject.domain() as domain:
        live = domain.XMLDesc(0)
    described = guest_from_xml(GuestId(subject.uuid), subject.name, GuestState.RUNNING, live)
    assert ([each.target for each in described.disks], described.nics) == (["vda"], ())
    whole = enforcer.undisturbed(described)
    assert [each.target for each in whole.disks] == ["vda", "vdb"]
    assert whole.disks[1].identity == subject.spec.disk_path(1)
    assert [(nic.mac, nic.network) for nic in whole.nics] == [(subject.spec.mac(0), "default")]
    reconciled(enforcer, subject)


def test_the_disk_that_the_guest_runs_from_stays(subject: Guest, enforcer: Enforcer) -> None:
    """It is refused with its reason, and the guest is not even asked."""
    told = reconciled(enforcer, subject, _out(subject, "vda"))
    assert statuses(told) == ["refused"]
    assert "runs from the disk vda" in told[0].error
    reconciled(enforcer, subject)
    assert "vda" in subject.devices()


def test_a_guest_that_refuses_is_told_of_and_has_no_use_of_the_device(
    subject: Guest, impatient: Callable[[], Enforcer], ledger: MemoryLedger
) -> None:
    """It was asked and did not let go: refused aloud, and the link stays down all the while."""
    before, mac = everything(subject), subject.spec.mac(0)
    enforcer, identity = impatient(), GuestId(subject.uuid)
    subject.stubborn(on=True)
    both = (action(subject, "nic-link", DOWN), _out(subject, mac))
    first = reconciled(enforcer, subject, *both)
    assert statuses(first) == ["applied", "timed-out"], first
    feels_link(subject, up=False)
    _settled(enforcer, subject, "held", "refused")
    assert enforcer.outcomes(identity)[1].error == NOT_LET_GO
    assert not subject.counters().carrier

    # it gives in later: what was asked for cannot be taken back, and is not taken for a fault
    subject.stubborn(on=False)
    wait_until(lambda: "eth0" not in subject.devices(), "let go of at last", seconds=60)
    _settled(enforcer, subject, "held", "held")
    reconciled(enforcer, subject)
    assert _lasting(everything(subject)) == _lasting(before)
    _forgotten(enforcer, ledger)


def test_a_guest_that_lets_go_after_all_was_forgiven_gets_its_device_back(
    subject: Guest, impatient: Callable[[], Enforcer], ledger: MemoryLedger
) -> None:
    """Also when trustd was restarted between: nobody loses a device to an old request."""
    before, identity = everything(subject), GuestId(subject.uuid)
    subject.stubborn(on=True)
    reconciled(impatient(), subject, _out(subject, "vdb"))
    enforcer = impatient()
    assert reconciled(enforcer, subject) == ()
    assert ledger.kept, "the request still stands, and so does the way back"
    subject.stubborn(on=False)
    with subject.domain() as domain:
        wait_until(lambda: "'vdb'" not in domain.XMLDesc(0), "let go of at last", seconds=60)

    enforcer.mark([GuestEvent(identity, subject.name, "device-removed", 3.0)])
    assert statuses(enforcer.reconcile({}, at=3.0)[identity]) == ["restored"]
    assert _lasting(everything(subject)) == _lasting(before)
    _forgotten(enforcer, ledger)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_device_that_is_thrown_out_once_it_is_back_is_plugged_in_again(
    subject: Guest,
    control: ControlConnection,
    ledger: MemoryLedger,
    restarted: bool,
) -> None:
    """Nobody loses a device to a request that the guest answers twice, also by a restart; and
    once it has stayed, whoever takes it away is left to it."""
    before, identity, lever = everything(subject), GuestId(subject.uuid), Unplug(moment=45)
    with subject.domain() as domain:
        disk = lever.read(domain, "vdb")
    clock = [0.0]
    settings = replace(SETTINGS, returned=15)

    def started() -> Enforcer:
        return Enforcer(control, ledger, [lever], settings, clock=lambda: clock[0])

    def thrown_out() -> None:
        wait_until(lambda: "vdb" in subject.devices(), "the disk", seconds=60)
        with subject.domain() as domain:
            domain.detachDeviceAlias("virtio-disk1", libvirt.VIR_DOMAIN_AFFECT_LIVE)
            wait_until(lambda: "'vdb'" not in domain.XMLDesc(0), "thrown out", seconds=60)

    enforcer = started()
    reconciled(enforcer, subject, _out(subject, "vdb"))
    assert enforcer.narrowed == {identity}
    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert not enforcer.narrowed
    thrown_out()
    if restarted:
        enforcer.close()
        enforcer = started()
    clock[0] += 5
    told = enforcer.reconcile({identity: enforced()}, at=2.0)
    enforcer.mark([GuestEvent(identity, subject.name, "device-removed", 3.0)])
    told = told or enforcer.reconcile({}, at=2.0)
    assert statuses(told[identity]) == ["restored"]
    assert _lasting(everything(subject)) == _lasting(before)
    wait_until(lambda: "vdb" in subject.devices(), "the disk again", seconds=60)

    enforcer.reconcile({}, at=3.0)
    assert ledger.kept, "it has not been there for long"
    clock[0] += 16
    enforcer.reconcile({}, at=4.0)
    assert not ledger.kept
    thrown_out()
    enforcer.resync()
    assert not any(enforcer.reconcile({}, at=5.0).values())
    enforcer.close()
    with subject.domain() as domain:
        lever.write(domain, "vdb", disk)


def test_where_the_policy_says_so_a_guest_that_refuses_is_paused(
    subject: Guest, impatient: Callable[[], Enforcer], ledger: MemoryLedger
) -> None:
    """It is left its second to comply, then it stands still, also under the next trustd."""
    before, identity = everything(subject), GuestId(subject.uuid)
    out = action(subject, "unplug", {"attached": False, "or_pause": True}, "vdb")
    enforcer = impatient()
    subject.stubborn(on=True)
    assert statuses(reconciled(enforcer, subject, out)) == ["timed-out"]
    _settled(enforcer, subject, "refused", "held")
    assert enforcer.outcomes(identity)[1].action.lever == "pause"
    with subject.domain() as domain:
        assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED

    following = impatient()
    assert statuses(reconciled(following, subject, out)) == ["refused", "held"]
    assert statuses(reconciled(following, subject)) == ["restored"]
    subject.stubborn(on=False)
    with subject.domain() as domain:
        wait_until(lambda: "'vdb'" not in domain.XMLDesc(0), "let go of at last", seconds=60)
    _settled(following, subject)
    assert _lasting(everything(subject)) == _lasting(before)
    _forgotten(following, ledger)


def test_a_new_run_has_its_devices_and_is_unplugged_anew(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """The definition brings the device back; forgiven while off, there is nothing to plug in."""
    identity, out = GuestId(subject.uuid), _out(subject, "vdb")
    reconciled(enforcer, subject, out)
    subject.destroy()
    subject.start()
    subject.wait_ready()
    fresh = everything(subject)
    assert subject.devices() == {"vda", "vdb", "eth0"}
    enforcer.resync()
    assert statuses(enforcer.reconcile({}, at=2.0)[identity]) == ["applied"]
    assert subject.devices() == {"vda", "eth0"}
    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert _lasting(everything(subject)) == _lasting(fresh)

    reconciled(enforcer, subject, out)
    subject.destroy()
    enforcer.reconcile({identity: enforced()}, at=3.0)
    subject.start()
    subject.wait_ready()
    enforcer.resync()
    enforcer.reconcile({}, at=4.0)
    assert "dev='vdb'" in everything(subject)["live"]
    _forgotten(enforcer, ledger)


def test_a_guest_that_stands_still_is_not_said_to_refuse(
    subject: Guest, enforcer: Enforcer
) -> None:
    """A paused guest cannot let go of anything: it is not asked, and not blamed."""
    with subject.domain() as domain:
        domain.suspend()
    try:
        told = reconciled(enforcer, subject, _out(subject, "vdb"))
        assert statuses(told) == ["refused"]
        assert told[0].error != NOT_LET_GO
    finally:
        with subject.domain() as domain:
            domain.resume()
    _settled(enforcer, subject, "applied")
    reconciled(enforcer, subject)
