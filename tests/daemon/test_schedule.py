"""What a stop waits for."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from trustd.config import Settings
from trustd.daemon import schedule as schedules
from trustd.daemon.schedule import Schedule


def nothing(*_: object) -> None:
    """What a job or a part of the daemon has to do."""


class Disk:
    """Work beside the line that takes until the disk answers."""

    def __init__(self) -> None:
        self.begun, self.answers, self.ended = (threading.Event() for _ in range(3))

    def store(self) -> None:
        self.begun.set()
        self.answers.wait()
        self.ended.set()


@pytest.fixture
def disk():
    found = Disk()
    yield found
    found.answers.set()


@pytest.fixture
def schedule(disk, monkeypatch):
    monkeypatch.setattr(schedules, "STORE_SECONDS", 0.01)
    monkeypatch.setattr(schedules, "status_line", nothing)
    daemon = SimpleNamespace(
        settings=Settings(),
        tick=nothing,
        page=nothing,
        save=nothing,
        between=SimpleNamespace(begin=nothing),
        probing=SimpleNamespace(probes=(), close=nothing),
        auditing=SimpleNamespace(anchor=nothing, check=nothing, halt=nothing),
        history=SimpleNamespace(store=disk.store, upkeep=nothing, halt=nothing),
    )
    notifier = SimpleNamespace(status=nothing, alive=nothing)
    made = Schedule(daemon, notifier, publish=nothing, give_up=nothing)
    made.start()
    assert disk.begun.wait(60)
    return made


def test_a_stop_does_not_wait_for_a_disk_that_hangs(schedule, disk, monkeypatch):
    """What is stored beside the line keeps no stop from going on to giving back."""
    monkeypatch.setattr(schedules, "UPKEEP_ENDS_SECONDS", 0.1)
    stopping = threading.Thread(target=schedule.stop, daemon=True)
    stopping.start()
    stopping.join(60)
    assert not stopping.is_alive()
    assert not disk.ended.is_set()


def test_a_stop_waits_for_a_disk_that_is_only_slow(schedule, disk):
    """What is under way is stored before the repository is closed."""
    stopping = threading.Thread(target=schedule.stop, daemon=True)
    stopping.start()
    stopping.join(0.1)
    assert stopping.is_alive()
    disk.answers.set()
    stopping.join(60)
    assert not stopping.is_alive()
    assert disk.ended.is_set()
