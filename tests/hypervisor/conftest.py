"""Eight real guests for this folder's tests, on a hypervisor of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from trustd.hypervisor import ControlConnection, HypervisorSettings, LibvirtHypervisor

# libvirt fills up the ports below this one: room for devices to be plugged in.
FREE_PORTS = "<controller type='pci' index='10' model='pcie-root-port'/>"
SPECS = (
    GuestSpec("bare", disks=(), nics=0, balloon=False),
    *(GuestSpec(f"g{number}", labels={"app": "web"}, devices=(FREE_PORTS,)) for number in range(7)),
)

# Seconds for a machine that is ten times slower than a host: what is promised of a deadline is
# promised of any.
PATIENCE = {"deadline": 5.0, "longest": 60.0}

OpenDoor = Callable[..., LibvirtHypervisor]


@pytest.fixture(scope="package")
def fleet(shared: Path) -> Iterator[Hypervisor]:
    with Hypervisor("fleet", shared=[shared]) as started:
        started.start(*SPECS, seconds=280)
        yield started


@pytest.fixture
def open_door(fleet: Hypervisor) -> Iterator[OpenDoor]:
    opened: list[LibvirtHypervisor] = []

    def start(**settings: float) -> LibvirtHypervisor:
        door = LibvirtHypervisor(HypervisorSettings(uri=fleet.uri_readonly, **settings))
        opened.append(door)
        door.start()
        return door

    yield start
    for door in opened:
        door.close()


@pytest.fixture
def door(open_door: OpenDoor) -> LibvirtHypervisor:
    return open_door(**PATIENCE)


@pytest.fixture
def control(fleet: Hypervisor) -> Iterator[ControlConnection]:
    connection = ControlConnection(HypervisorSettings(uri=fleet.uri, **PATIENCE))
    yield connection
    connection.close()
