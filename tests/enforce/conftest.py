"""Fixtures of the tests of enforcement."""

from collections.abc import Callable, Iterator

import pytest

from tests.enforce.standing import MemoryLedger
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import Disk, GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce import Enforcer, EnforceSettings, Ledger, standard_actuators
from trustd.hypervisor import ControlConnection, HypervisorSettings

SETTINGS = EnforceSettings(deadline=60.0, patience=120.0, retry_first=0.1, audit=3600)
"""So patient that a busy machine is not taken for a guest that hangs."""


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def control(hypervisor: Hypervisor) -> Iterator[ControlConnection]:
    door = ControlConnection(HypervisorSettings(uri=hypervisor.uri))
    yield door
    door.close()


@pytest.fixture
def new_enforcer(
    hypervisor: Hypervisor, control: ControlConnection, ledger: MemoryLedger
) -> Iterator[Callable[..., Enforcer]]:
    """Starts an enforcer as a new run of the daemon would; by default on the test's ledger."""
    started = []

    def start(on: Ledger = ledger) -> Enforcer:
        levers = standard_actuators(hypervisor.path("/sys/fs/cgroup"))
        started.append(Enforcer(control, on, levers, SETTINGS))
        return started[-1]

    yield start
    if started:  # what a test that failed has left is not the next one's beginning
        started[-1].restore_all(at=9.0, within=60)
    for each in started:
        each.close()


@pytest.fixture
def enforcer(new_enforcer: Callable[..., Enforcer]) -> Enforcer:
    return new_enforcer()


@pytest.fixture(scope="module")
def _pair(hypervisor: Hypervisor) -> Iterator[Guest]:
    spec = GuestSpec("narrowed", vcpus=2, disks=(Disk(), Disk(format="raw")))
    with hypervisor.guest(spec) as started:
        yield started


@pytest.fixture
def subject(_pair: Guest) -> Guest:
    """A running guest with two disks and two processors; each test gives back what it takes."""
    _pair.quiet()
    return _pair


@pytest.fixture(scope="module")
def _neighbour(hypervisor: Hypervisor) -> Iterator[Guest]:
    with hypervisor.guest(GuestSpec("neighbour")) as started:
        yield started


@pytest.fixture
def neighbour(_neighbour: Guest) -> Guest:
    """A second running guest, whom another one can reach."""
    _neighbour.quiet()
    return _neighbour


@pytest.fixture(scope="module")
def _plugged(hypervisor: Hypervisor) -> Iterator[Guest]:
    spec = GuestSpec("plugged", disks=(Disk(), Disk(format="raw")))
    with hypervisor.guest(spec) as started:
        yield started


@pytest.fixture
def plugged(_plugged: Guest) -> Iterator[Guest]:
    """A running guest whose devices are all there; afterwards it hears what is asked of it."""
    _plugged.quiet()
    wait_until(lambda: _plugged.devices() == {"vda", "vdb", "eth0"}, "all devices", seconds=60)
    yield _plugged
    _plugged.stubborn(on=False)
