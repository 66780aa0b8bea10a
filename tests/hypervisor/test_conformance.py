"""One battery for everything that is a hypervisor: the real door, a recorder, a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hypervisor.conftest import PATIENCE
from tests.lab.hypervisor import Hypervisor
from tests.lab.waiting import wait_until
from trustd.hypervisor import (
    HypervisorSettings,
    LibvirtHypervisor,
    Recorder,
    ReplayHypervisor,
)
from trustd.model import GuestEvent, GuestState
from trustd.spi import Hypervisor as Door

pytestmark = pytest.mark.lab

TICKS = 8


def perform(door: Door, fleet: Hypervisor) -> list[GuestEvent]:
    """A few ticks in which a guest is paused and resumed and another one freezes."""
    events: list[GuestEvent] = []
    wait_until(door.resynced, "the door is connected", seconds=60)
    paused, frozen = fleet.guests[1], fleet.guests[3]
    with paused.domain() as domain, ExitStack() as mended:
        for tick in range(TICKS):
            if tick == 2:
                domain.suspend()
                mended.callback(domain.resume)
            if tick == 4:
                mended.close()
                frozen.freeze()
                mended.callback(frozen.thaw)
            door.sample()
            events.extend(door.events())
            door.inventory()

    def resumed() -> bool:
        events.extend(door.events())
        return any(event.what == "resumed" for event in events)

    wait_until(resumed, "the events arrived", seconds=60)
    door.sample()
    return events


@pytest.fixture(scope="module")
def recording(fleet: Hypervisor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "fleet.jsonl"
    settings = HypervisorSettings(uri=fleet.uri_readonly, **PATIENCE)
    recorder = Recorder(LibvirtHypervisor(settings), path, at=1.0)
    recorder.start()
    perform(recorder, fleet)
    recorder.close()
    return path


@pytest.fixture(params=["libvirt", "recorder", "replay"])
def subject(
    request: pytest.FixtureRequest, fleet: Hypervisor, recording: Path, tmp_path: Path
) -> Iterator[Door]:
    settings = HypervisorSettings(uri=fleet.uri_readonly, **PATIENCE)
    makers: dict[str, Callable[[], Door]] = {
        "libvirt": lambda: LibvirtHypervisor(settings),
        "recorder": lambda: Recorder(LibvirtHypervisor(settings), tmp_path / "again", at=1.0),
        "replay": lambda: ReplayHypervisor(recording),
    }
    made = makers[request.param]()
    made.start()
    yield made
    made.close()


def test_its_first_inventory_comes_with_a_resync(subject, fleet):
    """Whoever starts late or early reads everything once at the beginning."""
    wait_until(subject.resynced, "a resync", seconds=60)
    assert not subject.resynced()
    subject.sample()
    inventory = subject.inventory()
    assert {guest.name for guest in inventory.values()} == {g.name for g in fleet.guests}
    assert all(key == guest.id for key, guest in inventory.items())


def test_its_readings_name_every_guest_and_never_go_back_in_time(subject, fleet):
    """Each reading has all guests of the host, dated after the reading before."""
    wait_until(subject.resynced, "a resync", seconds=60)
    before = 0.0
    for _ in range(TICKS):
        reading = subject.sample()
        assert reading.error == ""
        assert set(reading.guests) == {guest.uuid for guest in fleet.guests}
        assert reading.clock > before
        before = reading.clock
        for uuid, part in reading.guests.items():
            assert part.guest == uuid
            assert part.clock >= reading.clock
            assert part.state in (GuestState.RUNNING, GuestState.PAUSED)
            assert "cpu.time" in part.stats


def test_it_says_that_it_is_up(subject):
    """The condition agrees with the readings."""
    wait_until(subject.resynced, "a resync", seconds=60)
    assert subject.sample().error == ""
    # the resync is told a moment before the connection is called up
    wait_until(lambda: subject.condition().up, "it is up", seconds=60)
    assert subject.condition().error == ""


def test_what_cannot_be_changed_is_not_changed(subject):
    """A mapping that was handed out does not change under its reader."""
    wait_until(subject.resynced, "a resync", seconds=60)
    inventory = subject.inventory()
    names = {guest.name for guest in inventory.values()}
    with pytest.raises(TypeError):
        inventory["x"] = None
    subject.sample()
    assert {guest.name for guest in inventory.values()} == names


def test_a_replay_gives_exactly_what_was_recorded(fleet, tmp_path):
    """Readings, times, events, order and inventory of a replay equal those of the door."""

    class Remembering(LibvirtHypervisor):
        """Keeps what it gave out, to compare."""

        def __init__(self, settings):
            super().__init__(settings)
            self.given = []

        def sample(self):
            self.given.append(super().sample())
            return self.given[-1]

    door = Remembering(HypervisorSettings(uri=fleet.uri_readonly, **PATIENCE))
    recorder = Recorder(door, tmp_path / "file", at=1.0)
    recorder.start()
    events = perform(recorder, fleet)
    inventory = recorder.inventory()
    recorder.close()

    replay = ReplayHypervisor(tmp_path / "file")
    readings, heard = [], []
    while not replay.ended:
        readings.append(replay.sample())
        heard.extend(replay.events())
    replay.close()
    assert replay.problem is None
    assert readings == door.given
    assert heard == events
    assert dict(replay.inventory()) == dict(inventory)
    assert any(not part.whole for reading in readings for part in reading.guests.values())
