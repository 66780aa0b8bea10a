"""Every guest is sampled in every tick, whatever another one's emulator does."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests.hypervisor.conftest import PATIENCE
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.waiting import wait_until
from trustd.hypervisor import LibvirtHypervisor
from trustd.hypervisor.queries import Moment
from trustd.model import GuestState, Reading

pytestmark = pytest.mark.lab

DEADLINE = PATIENCE["deadline"]
SLACK = 3.0  # seconds by which a busy test machine may wake us late


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

    wait_until(whole, "every guest is whole", seconds=90)
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
            assert time.monotonic() - began < DEADLINE + SLACK
            assert reading.error == ""
            assert set(reading.guests) == {guest.uuid for guest in fleet.guests}, tick
            assert partial(reading) == {victim.uuid}, tick
            part = reading.guests[victim.uuid]
            assert part.state is GuestState.RUNNING
            assert {"cpu.time", "net.0.rx.bytes", "balloon.current"} <= part.stats.keys()
            assert "block.0.wr.bytes" not in part.stats
            assert before is None or reading.clock > before
            before = reading.clock
        assert door.condition().unresponsive == 1
        wait_until(lambda: door.condition().abandoned == 1, "one call hangs", seconds=60)
    wait_until(lambda: door.condition().abandoned == 0, "the call came back", seconds=60)
    assert any(not partial(door.sample()) for _ in range(3)), "a thawed guest is whole at once"


def test_the_frozen_guest_keeps_its_own_counters(door, fleet):
    """The partial CPU time continues the whole one: a rate over both is no lie."""
    whole = settle(door, fleet)
    victim = fleet.guests[2]
    with frozen(victim):
        part = door.sample().guests[victim.uuid]
        read = Moment.now().clock
    gained = part.stats["cpu.time"] - whole.guests[victim.uuid].stats["cpu.time"]
    assert 0 <= gained <= 1e9 * (os.cpu_count() or 1) * (read - whole.clock)


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
    wait_until(lambda: not partial(door.sample()), "all are whole again", seconds=60)


def test_a_guest_that_keeps_stalling_is_spared_for_a_while(door, fleet, monkeypatch):
    """The third stall in a row keeps it out of the bulk call; it shows its network meanwhile."""
    # the first while is over too soon for a busy machine
    monkeypatch.setattr("trustd.hypervisor.holds._FIRST", 20.0)
    settle(door, fleet)
    victim = fleet.guests[5]
    for _ in range(3):
        with frozen(victim):
            door.sample()
        wait_until(lambda: door.condition().abandoned == 0, "the call came back", seconds=60)
        reading = door.sample()
    assert partial(reading) == {victim.uuid}
    stats = reading.guests[victim.uuid].stats
    assert {"net.0.rx.bytes", "balloon.current", "info.cpu.time"} <= stats.keys()
    assert "cpu.time" not in stats
    with frozen(victim):
        assert partial(door.sample()) == {victim.uuid}
        wait_until(lambda: door.condition().abandoned == 0, "no call hangs on it", seconds=15)
    wait_until(lambda: not partial(door.sample()), "it is whole again", seconds=90)


def test_an_emulator_that_is_only_slow_is_not_passed_by(open_door, fleet):
    """One that answers late, and still within the deadline, is whole; the others are too."""
    door = open_door(deadline=15.0)
    settle(door, fleet)
    victim = fleet.guests[4]
    pid = victim.pid
    victim.freeze()
    # later than the call is made a second time, which is at 0.4 of the deadline at the latest
    thaw = threading.Timer(7.0, os.kill, (pid, signal.SIGCONT))
    thaw.start()
    reading = door.sample()
    thaw.join()
    assert set(reading.guests) == {guest.uuid for guest in fleet.guests}
    assert not partial(reading)
    assert door.condition().unresponsive == 0


def test_the_time_of_a_sample_is_from_before_the_call(open_door, fleet):
    """An answer that takes long is dated with the moment at which it was asked for."""
    door = open_door(deadline=60.0)
    settle(door, fleet)
    victim = fleet.guests[3]
    pid = victim.pid
    thawed: list[Moment] = []

    def thaw() -> None:
        thawed.append(Moment.now())
        os.kill(pid, signal.SIGCONT)

    victim.freeze()
    began = Moment.now()
    timer = threading.Timer(2.0, thaw)
    timer.start()
    reading = door.sample()
    timer.join()
    assert not partial(reading)
    (until,) = thawed
    part = reading.guests[victim.uuid]
    assert began.at <= part.at < until.at
    assert began.clock <= reading.clock <= part.clock < until.clock


def test_many_guests_are_given_longer(open_door, fleet):
    """A deadline that is too short for so many emulators grows with their number, from the first
    sample on; without that no guest would ever be whole."""
    hurried = open_door(deadline=0.005, per_guest=0.0)
    assert not any(part.whole for part in hurried.sample().guests.values())
    # what the other one began is over, and no guest is passed by because of it
    wait_until(lambda: hurried.condition().abandoned == 0, "every call came back", seconds=60)
    patient = open_door(deadline=0.005, per_guest=2.0, longest=60.0)
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
        guest.wait_ready(seconds=240)


def test_a_hung_libvirtd_costs_the_deadline_and_no_more(open_door, fleet):
    """A daemon that accepts and never answers is reported, and leaves nothing behind."""
    # libvirt's own probes are not what notices it
    door = open_door(deadline=4.0, keepalive=60)
    settle(door, fleet)
    daemon = fleet.outside_pid(int(fleet.path("/run/libvirtd.pid").read_text("utf-8")))
    os.kill(daemon, signal.SIGSTOP)
    try:
        for _ in range(5):
            began = time.monotonic()
            reading = door.sample()
            assert time.monotonic() - began < 4.0 + SLACK
            assert not reading.guests
            assert "did not answer within 4 s" in reading.error
        condition = door.condition()
        assert not condition.up
        assert condition.abandoned <= 12
    finally:
        os.kill(daemon, signal.SIGCONT)
    settle(door, fleet)
    wait_until(lambda: door.condition().abandoned == 0, "every call came back", seconds=60)
    assert door.condition().up
