"""Calls that change a guest: bounded in time, and with errors in trustd's words."""

from __future__ import annotations

import time

import libvirt
import pytest

from tests.hypervisor.conftest import PATIENCE
from tests.lab.waiting import wait_until
from trustd.errors import NoSuchGuest, Refused, TimedOut, Unreachable
from trustd.hypervisor import ControlConnection, HypervisorSettings

pytestmark = pytest.mark.lab


def test_a_call_acts_on_the_guest_and_gives_back_what_it_returned(control, fleet):
    """What the call changed is really changed."""
    guest = fleet.guests[1]

    def limit(domain: libvirt.virDomain) -> int:
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE
        domain.setBlockIoTune("vda", {"write_iops_sec": 4321}, live)
        read = domain.blockIoTune("vda", live)["write_iops_sec"]
        domain.setBlockIoTune("vda", {"write_iops_sec": 0}, live)
        return int(read)

    assert control.available()
    assert control.call(guest.uuid, limit) == 4321


def test_an_unknown_guest_is_named_as_such(control):
    """No guest is not a refusal."""
    with pytest.raises(NoSuchGuest):
        control.call("00000000-0000-0000-0000-000000000001", lambda domain: domain.name())


def test_a_refusal_carries_libvirts_reason(control, fleet):
    """The text says what libvirt said, and the cause is libvirt's error."""
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    with pytest.raises(Refused, match="nodisk") as caught:
        control.call(
            fleet.guests[1].uuid,
            lambda domain: domain.setBlockIoTune("nodisk", {"write_iops_sec": 1}, live),
        )
    assert isinstance(caught.value.__cause__, libvirt.libvirtError)


def test_another_exception_passes_unchanged(control, fleet):
    """A fault of the caller's own is not taken for libvirt's."""
    with pytest.raises(ZeroDivisionError):
        control.call(fleet.guests[1].uuid, lambda _domain: 1 // 0)


def test_a_frozen_emulator_times_out_and_holds_up_no_other_guest(fleet):
    """A call that hangs is given up in time; calls for others go on, up to the limit."""
    control = ControlConnection(HypervisorSettings(uri=fleet.uri, calls=2, **PATIENCE))
    victim, other = fleet.guests[2], fleet.guests[3]
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE

    def hang(domain: libvirt.virDomain) -> None:
        domain.setBlockIoTune("vda", {"write_iops_sec": 0}, live)

    victim.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(TimedOut, match=r"0\.3 s"):
            control.call(victim.uuid, hang, timeout=0.3)
        # libvirt itself gives up after 30 s
        assert time.monotonic() - began < 10.0
        assert control.call(other.uuid, lambda domain: domain.name(), timeout=60) == other.name
        with pytest.raises(TimedOut):
            control.call(victim.uuid, hang, timeout=0.3)
        with pytest.raises(TimedOut, match="every call slot"):
            control.call(other.uuid, lambda domain: domain.name(), timeout=60)
        assert not control.available()
    finally:
        victim.thaw()
    wait_until(control.available, "the hung calls came back", seconds=60)
    control.close()


def test_it_is_unreachable_without_libvirtd_and_works_again_after(control, fleet):
    """A lost connection is said, and the next call opens another."""
    uuid = fleet.guests[1].uuid
    assert control.available()
    fleet.stop_libvirtd(kill=True)
    try:
        assert not control.available()
        with pytest.raises(Unreachable):
            control.call(uuid, lambda domain: domain.name())
    finally:
        fleet.start_libvirtd()
    assert control.call(uuid, lambda domain: domain.name()) == fleet.guests[1].name


def test_a_closed_door_is_unreachable(fleet):
    """Nothing is opened again after the end."""
    control = ControlConnection(HypervisorSettings(uri=fleet.uri))
    control.close()
    assert not control.available()
    with pytest.raises(Unreachable):
        control.call(fleet.guests[1].uuid, lambda domain: domain.name())
