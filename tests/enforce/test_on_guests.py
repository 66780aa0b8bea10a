"""The levers on a real guest: applied, felt inside, read back, undone to the byte."""

from collections.abc import Callable, Iterator
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
from trustd.enforce import Desired, Enforcer, standard_actuators
from trustd.model import GuestEvent, GuestId, Mode, Setting

pytestmark = pytest.mark.lab

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
FLOOR: Setting = {"write_bytes_sec": 4096, "write_iops_sec": 1}
DOWN: Setting = {"link": "down"}
THROTTLED = 2 * 65536
"""Bytes a second: a request or two of a guest that may write 4096."""


def _writes(guest: Guest) -> bool:
    """Clearly more than where it is throttled, if far from what it tries."""
    return guest.rates(seconds=1.0).written > 2 * THROTTLED


def test_a_throttled_disk_is_felt_and_given_back_to_the_byte(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """At the floor rate the guest hardly writes; afterwards all is as it was, to the byte."""
    before = everything(subject)
    subject.write(2e6)
    wait_until(lambda: _writes(subject), "writing", seconds=60)

    applied = reconciled(enforcer, subject, action(subject, "disk-throttle", FLOOR))
    assert statuses(applied) == ["applied"]
    assert 0 < applied[0].seconds < SETTINGS.deadline
    told = everything(subject)["vda"]
    assert (told["write_bytes_sec"], told["write_iops_sec"]) == (4096, 1)
    assert everything(subject)["vdb"] == before["vdb"]
    wait_until(lambda: subject.rates().written <= THROTTLED, "throttled", seconds=60)

    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert everything(subject) == before
    assert not ledger.kept
    wait_until(lambda: _writes(subject), "writing again", seconds=60)


def test_a_throttled_read_leaves_writes_alone(subject: Guest, enforcer: Enforcer) -> None:
    """With ``read`` at the floor the guest still writes at its own pace."""
    before = everything(subject)
    floor: Setting = {"read_bytes_sec": 4096, "read_iops_sec": 1}
    reconciled(enforcer, subject, action(subject, "disk-throttle", floor))
    subject.write(2e6)
    wait_until(lambda: _writes(subject), "writing", seconds=60)
    subject.read(2e6)
    wait_until(lambda: subject.rates().read <= THROTTLED, "throttled", seconds=60)
    wait_until(lambda: _writes(subject), "writing on", seconds=60)
    reconciled(enforcer, subject)
    assert everything(subject) == before


def test_a_link_is_felt_and_given_back_to_the_byte(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """Without a carrier the guest reaches nobody; afterwards all is as it was, to the byte."""
    before = everything(subject)
    assert "<link" not in before["live"]
    wait_until(subject.reaches, "the network", seconds=60)

    applied = reconciled(enforcer, subject, action(subject, "nic-link", DOWN))
    assert statuses(applied) == ["applied"]
    feels_link(subject, up=False)
    assert not subject.reaches()

    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert everything(subject) == before
    assert not ledger.kept
    wait_until(subject.reaches, "the network again", seconds=60)


def _limit_disks(domain: libvirt.virDomain) -> None:
    limits = {"total_bytes_sec": 10_000_000, "write_iops_sec": 500, "write_iops_sec_max": 900}
    for disk in ("vda", "vdb"):
        domain.setBlockIoTune(disk, limits | {"group_name": "both"}, LIVE)


def _limit_processor(domain: libvirt.virDomain) -> None:
    domain.setSchedulerParametersFlags({"vcpu_quota": 60000}, LIVE)


def _limit_nothing(domain: libvirt.virDomain) -> None:
    for disk in ("vda", "vdb"):
        told = domain.blockIoTune(disk, LIVE)
        domain.setBlockIoTune(disk, {key: 0 for key in told if key != "group_name"}, LIVE)
    domain.setSchedulerParametersFlags({"vcpu_quota": -1}, LIVE)


@pytest.fixture
def limited(subject: Guest) -> Iterator[Guest]:
    """A guest whose administrator has limited it."""
    with subject.domain() as domain:
        try:
            _limit_disks(domain)
            _limit_processor(domain)
            yield subject
        finally:
            _limit_nothing(domain)


def test_limits_of_others_hold_while_narrowed_and_come_back(
    limited: Guest, enforcer: Enforcer
) -> None:
    """An administrator's own limits are never loosened, not even in part, and come back whole."""
    before = everything(limited)
    applied = reconciled(
        enforcer,
        limited,
        action(limited, "cpu-quota", {"percent": 80}),
        action(limited, "disk-throttle", FLOOR),
    )
    assert statuses(applied) == ["applied", "applied"]
    during = everything(limited)
    assert during["cpu"]["vcpu_quota"] == 60000
    assert during["vda"]["read_bytes_sec"] == 10_000_000 - 4096
    assert during["vda"]["write_bytes_sec"] == 4096
    assert during["vda"]["write_iops_sec"] == 1
    assert during["vda"]["write_iops_sec_max"] == 0
    assert during["vdb"] == before["vdb"], "the disk that shared the limits is not narrowed"

    assert statuses(reconciled(enforcer, limited)) == ["restored", "restored"]
    assert everything(limited) == before


@pytest.mark.parametrize("said", ["up", "down"])
def test_a_link_that_was_stated_is_stated_afterwards(
    subject: Guest, enforcer: Enforcer, said: str
) -> None:
    """A definition that says up says up afterwards, and a link that was down stays down."""
    with subject.domain() as domain:
        plain = _interface(domain)
        try:
            stated = plain.replace("<model", f"<link state='{said}'/><model")
            domain.updateDeviceFlags(stated, LIVE)
            before = everything(subject)
            first = statuses(reconciled(enforcer, subject, action(subject, "nic-link", DOWN)))
            assert first == (["held"] if said == "down" else ["applied"])
            feels_link(subject, up=False)
            reconciled(enforcer, subject)
            assert everything(subject) == before
        finally:
            domain.updateDeviceFlags(plain, LIVE)


def _interface(domain: libvirt.virDomain) -> str:
    xml: str = domain.XMLDesc(0)
    return xml[xml.index("<interface") : xml.index("</interface>") + len("</interface>")]


def test_somebody_elses_change_is_undone_now_and_kept_for_later(
    subject: Guest, enforcer: Enforcer
) -> None:
    """Who lifts our limit and sets an own one finds ours in force, and the own one afterwards."""
    before = everything(subject)
    floor = action(subject, "disk-throttle", FLOOR)
    reconciled(enforcer, subject, floor)
    with subject.domain() as domain:
        try:
            domain.setBlockIoTune("vda", {"total_bytes_sec": 5_000_000}, LIVE)
            assert everything(subject)["vda"]["write_bytes_sec"] == 0

            identity = GuestId(subject.uuid)
            enforcer.mark([GuestEvent(identity, subject.name, "tunable", 2.0)])
            assert statuses(enforcer.reconcile({}, at=2.0)[identity]) == ["applied"]
            assert everything(subject)["vda"]["write_bytes_sec"] == 4096

            assert statuses(reconciled(enforcer, subject)) == ["restored"]
            after = everything(subject)["vda"]
            assert (after["total_bytes_sec"], after["write_iops_sec"]) == (5_000_000, 0)
        finally:
            domain.setBlockIoTune("vda", {"total_bytes_sec": 0}, LIVE)
    assert everything(subject) == before


def test_what_is_in_force_is_held_and_costs_no_change(subject: Guest, enforcer: Enforcer) -> None:
    """A second look changes nothing, says held, and keeps the time of the application."""
    down = action(subject, "nic-link", DOWN)
    applied = reconciled(enforcer, subject, down)
    during = everything(subject)
    enforcer.resync()
    held = enforcer.reconcile({}, at=9.0)[GuestId(subject.uuid)]
    assert statuses(held) == ["held"]
    assert (held[0].at, held[0].prior) == (applied[0].at, {"link": ""})
    assert everything(subject) == during
    reconciled(enforcer, subject)


class _Locked:
    """A door that must stay shut."""

    def call(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("observe mode used the read-write door")


def test_observing_says_what_would_be_done_and_touches_nothing(
    subject: Guest, ledger: MemoryLedger
) -> None:
    """In observe mode the same actions come back as *would*, and the door stays shut."""
    before = everything(subject)
    enforcer = Enforcer(_Locked(), ledger, standard_actuators())
    wanted = (
        action(subject, "cpu-quota", {"percent": 10}),
        action(subject, "disk-throttle", FLOOR),
        action(subject, "nic-link", DOWN),
    )
    identity = GuestId(subject.uuid)
    told = enforcer.reconcile({identity: Desired(wanted, Mode.OBSERVE)}, at=1.0)[identity]
    assert statuses(told) == ["would-apply"] * 3
    enforcer.resync()
    enforcer.reconcile({}, at=2.0)
    enforcer.close()
    assert everything(subject) == before
    assert not ledger.kept


def test_from_enforcing_to_observing_everything_is_given_back(
    subject: Guest, enforcer: Enforcer
) -> None:
    """A policy that only observes from now on does not leave guests narrowed."""
    before = everything(subject)
    down = action(subject, "nic-link", DOWN)
    identity = GuestId(subject.uuid)
    reconciled(enforcer, subject, down)
    told = enforcer.reconcile({identity: Desired((down,), Mode.OBSERVE)}, at=2.0)[identity]
    assert statuses(told) == ["would-apply", "restored"]
    assert everything(subject) == before


def test_an_action_for_which_there_is_no_lever_is_refused_aloud(
    subject: Guest, enforcer: Enforcer
) -> None:
    """Nothing that a policy asks for is left out in silence."""
    told = reconciled(enforcer, subject, action(subject, "levitate", {}))
    assert statuses(told) == ["refused"]
    assert "no lever levitate" in told[0].error


def test_a_device_that_is_not_there_costs_the_others_nothing(
    subject: Guest, enforcer: Enforcer
) -> None:
    """One action fails with its reason, the next one comes about."""
    before = everything(subject)
    told = reconciled(
        enforcer,
        subject,
        action(subject, "disk-throttle", FLOOR, "vdz"),
        action(subject, "nic-link", DOWN),
    )
    assert statuses(told) == ["failed", "applied"]
    assert "vdz" in told[0].error
    reconciled(enforcer, subject)
    assert everything(subject) == before


def test_while_the_store_fails_tightening_goes_out_and_loosening_waits(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """A full disk never leaves a guest looser than decided."""
    before = everything(subject)
    identity = GuestId(subject.uuid)
    ledger.broken = True
    quota = action(subject, "cpu-quota", {"percent": 20})
    assert statuses(reconciled(enforcer, subject, quota)) == ["applied"]
    looser = action(subject, "cpu-quota", {"percent": 50})
    assert statuses(reconciled(enforcer, subject, looser)) == ["failed"]
    assert everything(subject)["cpu"]["vcpu_quota"] == 20000
    told = reconciled(enforcer, subject)
    assert statuses(told) == ["failed"]
    assert "store" in told[0].error
    assert everything(subject)["cpu"]["vcpu_quota"] == 20000

    ledger.broken = False
    told = enforcer.reconcile({identity: enforced(quota)}, at=2.0)[identity]
    assert statuses(told) == ["held"]
    assert ledger.kept, "what was done without the store is stored once it works"
    told = enforcer.reconcile({identity: enforced()}, at=3.0)[identity]
    assert statuses(told) == ["restored"]
    assert everything(subject) == before
    assert not ledger.kept


def test_stopping_gives_everything_back_also_of_an_earlier_run(
    subject: Guest, new_enforcer: Callable[[], Enforcer], ledger: MemoryLedger
) -> None:
    """What a crashed daemon left narrowed is given back by the next one that is to restore."""
    before = everything(subject)
    reconciled(
        new_enforcer(),
        subject,
        action(subject, "cpu-quota", {"percent": 20}),
        action(subject, "disk-throttle", FLOOR),
        action(subject, "nic-link", DOWN),
    )
    assert len(ledger.kept) == 3
    told = new_enforcer().restore_all(at=2.0)
    assert statuses(told[GuestId(subject.uuid)]) == ["restored"] * 3
    assert everything(subject) == before
    assert not ledger.kept


def test_a_restart_releases_nobody_before_it_knows_who_is_to_be_narrowed(
    subject: Guest, new_enforcer: Callable[[], Enforcer]
) -> None:
    """Between the start and the first verdict a guest stays as it was narrowed."""
    before = everything(subject)
    down = action(subject, "nic-link", DOWN)
    reconciled(new_enforcer(), subject, down)
    feels_link(subject, up=False)
    second = new_enforcer()
    second.resync()
    assert not second.reconcile({}, at=2.0)
    assert not subject.counters().carrier
    held = second.reconcile({GuestId(subject.uuid): enforced(down)}, at=3.0)
    assert statuses(held[GuestId(subject.uuid)]) == ["held"]
    assert statuses(reconciled(second, subject)) == ["restored"]
    assert everything(subject) == before
