"""The door comes back by itself whatever happens to libvirtd, and leaks nothing."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.hypervisor.conftest import PATIENCE, OpenDoor
from tests.lab.hypervisor import Hypervisor
from tests.lab.waiting import wait_until
from trustd.hypervisor import LibvirtHypervisor

pytestmark = pytest.mark.lab


def wait_whole(door: LibvirtHypervisor, fleet: Hypervisor) -> None:
    def whole() -> bool:
        reading = door.sample()
        return (
            len(reading.guests) == len(fleet.guests)
            and all(part.whole for part in reading.guests.values())
            and door.condition().up
        )

    wait_until(whole, "connected, and every guest whole", seconds=90)


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_it_reconnects_and_hears_events_again(door, fleet, kill):
    """After libvirtd went and came, a resync is told and new events arrive."""
    wait_whole(door, fleet)
    wait_until(door.resynced, "the first resync", seconds=60)
    fleet.stop_libvirtd(kill=kill)
    try:
        reading = door.sample()
        assert reading.error
        assert not reading.guests
        wait_until(lambda: not door.condition().up, "the loss is noticed", seconds=60)
        assert door.condition().error
        assert len(door.inventory()) == len(fleet.guests), "the last known inventory stays"
    finally:
        fleet.start_libvirtd()
    wait_until(door.resynced, "a resync is told", seconds=90)
    wait_whole(door, fleet)
    with fleet.guests[1].domain() as domain:
        domain.suspend()
        domain.resume()
    heard: list[str] = []

    def resumed() -> bool:
        heard.extend(event.what for event in door.events())
        return "resumed" in heard

    wait_until(resumed, "events arrive on the new connection", seconds=60)


def test_it_may_start_before_libvirtd(fleet, open_door: OpenDoor):
    """Without libvirtd it starts at once, says why it is down, and connects when it can."""
    fleet.stop_libvirtd()
    try:
        door = open_door(**PATIENCE)
        assert door.inventory() == {}
        assert door.sample().error
        condition = door.condition()
        assert not condition.up
        assert condition.error
    finally:
        fleet.start_libvirtd()
    wait_whole(door, fleet)
    assert len(door.inventory()) == len(fleet.guests)
    assert door.condition().since > condition.since


def test_a_frozen_emulator_through_a_restart(door, fleet):
    """A guest that is frozen when libvirtd comes back costs the others nothing either."""
    wait_whole(door, fleet)
    victim = fleet.guests[2]
    victim.freeze()
    try:
        fleet.restart_libvirtd(kill=True)

        def only_the_victim() -> bool:
            parts = door.sample().guests
            return {guest for guest, part in parts.items() if not part.whole} == {victim.uuid} and (
                len(parts) == len(fleet.guests)
            )

        wait_until(only_the_victim, "all but the frozen one are whole", seconds=90)
        assert all(only_the_victim() for _ in range(3))
    finally:
        victim.thaw()
    wait_whole(door, fleet)


def test_restarts_leave_no_thread_and_no_descriptor_behind(fleet, open_door: OpenDoor):
    """What is open after four restarts is what was open after the first; after close, nothing."""

    def within(threads: int, descriptors: int) -> bool:
        gc.collect()
        return (
            threading.active_count() <= threads
            and len(list(Path("/proc/self/fd").iterdir())) <= descriptors
        )

    def doors() -> list[str]:
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name.startswith(("sampling", "fallback", "watch"))]

    open_door(**PATIENCE).close()  # libvirt's own loop stays, once
    wait_until(lambda: not doors(), "no door of before is open", seconds=60)
    gc.collect()
    threads = threading.active_count()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    door = open_door(**PATIENCE)
    wait_whole(door, fleet)

    def few() -> bool:
        door.sample()  # lanes that slow calls took are given back by later samples
        return within(threads + 5, descriptors + 12)

    for _ in range(4):
        fleet.restart_libvirtd(kill=True)
        wait_whole(door, fleet)
        wait_until(few, "no more is open than after the first", seconds=60)
    door.close()
    wait_until(lambda: within(threads, descriptors), "everything is closed again", seconds=60)


ENDING = """
import sys
from trustd.hypervisor import HypervisorSettings, LibvirtHypervisor
door = LibvirtHypervisor(HypervisorSettings(uri=sys.argv[1], deadline=5.0))
door.start()
while not door.resynced():  # told once: the events' connection stands
    door.sample()
while not door.condition().abandoned:
    door.sample()
print("a call hangs", flush=True)
if sys.argv[2] == "close":
    door.close()
"""


@pytest.mark.parametrize("how", ["close", "without closing"])
def test_the_process_ends_though_a_call_hangs(fleet, door, how):
    """A call that never comes back does not keep the daemon from ending, nor crash its end."""
    # a call that an earlier client left would be the one that hangs, not the one made here
    wait_whole(door, fleet)
    wait_until(lambda: not door.condition().abandoned, "nothing is under way", seconds=60)
    door.close()
    victim = fleet.guests[2]
    victim.freeze()
    try:
        command = [sys.executable, "-X", "dev", "-c", ENDING, fleet.uri_readonly, how]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    finally:
        victim.thaw()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "a call hangs\n"
