"""Every guest is sampled in every tick, whatever another one's emulator does."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.waiting import wait_until
from trustd.hypervisor import LibvirtHypervisor
from trustd.model import GuestState, Reading

pytestmark = pytest.mark.lab

SLACK = 0.25  # seconds by which a busy test machine may wake us late


@contextlib.contextmanager
def frozen(*guests: Guest) -> Iterator[None]:
    for guest in guests:
        guest.freeze()
    try:
        yield
    finally:
        for guest in guests:
            guest.thaw()


def partial(reading: Reading) -> set[str]:
    return {guest for guest, part in reading.guests.items() if not part.whole}


def settle(door: LibvirtHypervisor, fleet: Hypervisor) -> Reading:
    """Sample until everything is whole; the first samples also teach what is usual."""
    readings: list[Reading] = []

    def whole() -> bool:
        readings.append(door.sample())
        return len(readings[-1].guests) == len(fleet.guests) and not partial(readings[-1])

    wait_until(whole, "every guest is whole", seconds=20)
    return readings[-1]


def test_a_frozen_emulator_costs_no_other_guest_a_sample(door, fleet):
    """From the first tick of the stall on, all others are whole and the frozen one is partial."""
    settle(door, fleet)
    victim = fleet.guests[3]
    before = None
    with frozen(victim):
        for tick in range(6):
            began = time.monotonic()
            reading = door.sample()
            assert time.monotonic() - began < 1.0 + SLACK
            assert reading.error == ""
            assert set(reading.guests) == {guest.uuid for guest in fleet.guests}, tick
            assert partial(reading) == {victim.uuid}, tick
            part = reading.guests[victim.uuid]
            assert part.state is GuestState.RUNNING
            assert {"cpu.time", "net.0.rx.bytes", "balloon.current"} <= part.stats.keys()
            assert "block.0.wr.bytes" not in part.stats
            assert before is None or reading.clock > before
            before = reading.clock
        condition = door.condition()
        assert condition.unresponsive == 1
        assert condition.abandoned == 1
    wait_until(lambda: not partial(door.sample()), "the thawed guest is whole", seconds=2)
    wait_until(lambda: door.condition().abandoned == 0, "the call came back", seconds=2)


def test_the_frozen_guest_keeps_its_own_counters(door, fleet):
    """The partial CPU time continues the whole one: a rate over both is no lie."""
    whole = settle(door, fleet)
    victim = fleet.guests[2]
    with frozen(victim):
        part = door.sample().guests[victim.uuid]
    gained = part.stats["cpu.time"] - whole.guests[victim.uuid].stats["cpu.time"]
    assert 0 <= gained <= 1e9 * (part.clock - whole.clock + SLACK)


def test_several_frozen_emulators_at_once_leave_the_others_whole(door, fleet):
    """Three at once may cost the others one tick, not two; nobody vanishes in either."""
    settle(door, fleet)
    victims = fleet.guests[1], fleet.guests[4], fleet.guests[6]
    with frozen(*victims):
        first, second, third = door.sample(), door.sample(), door.sample()
    for reading in (first, second, third):
        assert len(reading.guests) == len(fleet.guests)
    for reading in (second, third):
        assert partial(reading) == {victim.uuid for victim in victims}
    wait_until(lambda: not partial(door.sample()), "all are whole again", seconds=10)


def test_a_guest_that_keeps_stalling_is_spared_for_a_while(door, fleet):
    """The third stall in a row keeps it out of the bulk call; it shows its network meanwhile."""
    settle(door, fleet)
    victim = fleet.guests[5]
    for _ in range(3):
        with frozen(victim):
            door.sample()
        wait_until(lambda: door.condition().abandoned == 0, "the call came back", seconds=2)
        reading = door.sample()
    assert partial(reading) == {victim.uuid}
    stats = reading.guests[victim.uuid].stats
    assert {"net.0.rx.bytes", "balloon.current", "info.cpu.time"} <= stats.keys()
    assert "cpu.time" not in stats
    with frozen(victim):
        began = time.monotonic()
        assert partial(door.sample()) == {victim.uuid}
        assert time.monotonic() - began < 0.15 + SLACK
    wait_until(lambda: not partial(door.sample()), "it is whole again", seconds=10)


def test_the_time_of_a_sample_is_from_before_the_call(open_door, fleet):
    """An answer that takes long is dated with the moment at which it was asked for."""
    door = open_door(deadline=5.0)
    settle(door, fleet)
    victim = fleet.guests[3]
    victim.freeze()
    began = time.time()
    os.posix_spawn("/bin/sh", ["sh", "-c", f"sleep 0.4; kill -CONT {victim.pid}"], os.environ)
    reading = door.sample()
    os.wait()
    assert time.time() - began > 0.4
    assert not partial(reading)
    assert began <= reading.guests[victim.uuid].at < began + 0.2
    assert reading.guests[victim.uuid].clock - reading.clock < 0.2


def test_many_guests_are_given_longer(open_door, fleet):
    """A deadline that is too short for so many emulators grows with their number, from the first
    sample on; without that no guest would ever be whole."""
    hurried = open_door(deadline=0.005, per_guest=0.0)
    assert not any(part.whole for part in hurried.sample().guests.values())
    # what the other one began is over, and no guest is passed by because of it
    wait_until(lambda: hurried.condition().abandoned == 0, "every call came back", seconds=10)
    patient = open_door(deadline=0.005, per_guest=0.25)
    reading = patient.sample()
    assert set(reading.guests) == {guest.uuid for guest in fleet.guests}
    settle(patient, fleet)


def test_a_guest_without_balloon_disk_and_network_is_whole(door, fleet):
    """What a guest does not have is absent, and does not make it partial."""
    reading = settle(door, fleet)
    bare = next(guest for guest in fleet.guests if guest.name == "bare")
    part = reading.guests[bare.uuid]
    assert part.whole
    assert "balloon.available" not in part.stats
    assert part.stats.get("net.count", 0) == 0
    assert part.stats.get("block.count", 0) == 0


def test_a_guest_that_is_off_gives_its_state_and_nothing_else(door, fleet):
    """Off is a state, not a silence; its disk images are left alone."""
    settle(door, fleet)
    guest = fleet.guests[7]
    guest.destroy()
    try:
        part = door.sample().guests[guest.uuid]
        assert part.state is GuestState.SHUTOFF
        assert part.whole
        assert set(part.stats) == {"state.state", "state.reason"}
    finally:
        guest.start()
        guest.wait_ready()


def test_a_hung_libvirtd_costs_the_deadline_and_no_more(door, fleet):
    """A daemon that accepts and never answers is reported, and leaves nothing behind."""
    settle(door, fleet)
    daemon = fleet.outside_pid(int(fleet.path("/run/libvirtd.pid").read_text("utf-8")))
    os.kill(daemon, signal.SIGSTOP)
    try:
        for _ in range(5):
            began = time.monotonic()
            reading = door.sample()
            assert time.monotonic() - began < 1.0 + SLACK
            assert not reading.guests
            assert "did not answer within 1 s" in reading.error
        condition = door.condition()
        assert not condition.up
        assert condition.abandoned <= 12
    finally:
        os.kill(daemon, signal.SIGCONT)
    settle(door, fleet)
    wait_until(lambda: door.condition().abandoned == 0, "every call came back", seconds=5)
    assert door.condition().up
