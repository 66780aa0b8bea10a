"""The disk gate on a real guest: an error at once, on the device that is open, and back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import pytest

from tests.enforce.conftest import SETTINGS
from tests.enforce.standing import MemoryLedger, action, enforced, everything, reconciled, statuses
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import Disk, GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce import Desired, Enforcer, standard_actuators
from trustd.enforce.gating import Gating
from trustd.errors import Refused
from trustd.gate import NOTHING_DENIED, Gate, Gates, Keeper, deny, serving
from trustd.hypervisor import ControlConnection, HypervisorSettings
from trustd.model import Action, GuestId, Mode, Outcome, Setting

pytestmark = pytest.mark.lab

NO_WRITES: Setting = {"deny_write": True}
NO_READS: Setting = {"deny_read": True}
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE


@pytest.fixture(scope="module")
def gates(shared: Path) -> Gates:
    return Gates(shared / "gates", shared / "run")


@pytest.fixture(scope="module")
def keeper(gates: Gates, shared: Path) -> Iterator[Keeper]:
    made = Keeper(gates, shared / "no-systemd")
    yield made
    for gate in list(gates.known.values()):
        made.retire(gate)


@pytest.fixture(scope="module")
def gating(hypervisor: Hypervisor) -> Iterator[Gating]:
    control = ControlConnection(HypervisorSettings(uri=hypervisor.uri))
    yield Gating(control)
    control.close()


@pytest.fixture(scope="module")
def _gated(
    hypervisor: Hypervisor, gates: Gates, keeper: Keeper, gating: Gating, shared: Path
) -> Iterator[tuple[Guest, Gate]]:
    image = shared / "gated.qcow2"
    hypervisor.run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "64M")
    # two disks: the other one stays as it is
    spec = GuestSpec("gated", disks=(Disk(path=str(image)), Disk(format="raw")))
    with hypervisor.guest(spec) as guest:
        guest.destroy()
        gate = moved(guest, gates, keeper, gating)
        guest.start()
        guest.wait_ready()
        yield guest, gate


def moved(guest: Guest, gates: Gates, keeper: Keeper, gating: Gating) -> Gate:
    """Put the first disk of a guest that is off behind a gate."""
    identity = GuestId(guest.uuid)
    gate = gating.survey(identity, "vda", str(gates.socket(identity, "vda")))
    gates.add(gate)
    serves(keeper, gate)
    gating.move(gate)
    return gate


def serves(keeper: Keeper, gate: Gate) -> None:
    """Have a gate looked after until it is served, and known to be, as by every tick."""
    keeper.keep()
    assert keeper.wait(gate, within=60), keeper.told(gate)
    keeper.keep()


@pytest.fixture
def gate(_gated: tuple[Guest, Gate]) -> Gate:
    return _gated[1]


@pytest.fixture
def guest(_gated: tuple[Guest, Gate], gates: Gates) -> Iterator[Guest]:
    _gated[0].quiet()
    yield _gated[0]
    deny(gates.place(_gated[1]), NOTHING_DENIED)


@pytest.fixture
def new_enforcer(
    hypervisor: Hypervisor, control: ControlConnection, ledger: MemoryLedger, gates: Gates
) -> Iterator[Callable[[], Enforcer]]:
    """Starts an enforcer as a new run of the daemon would, on the test's ledger."""
    started = []

    def start() -> Enforcer:
        levers = standard_actuators(hypervisor.path("/sys/fs/cgroup"), gates)
        started.append(Enforcer(control, ledger, levers, SETTINGS))
        return started[-1]

    yield start
    for each in started:
        each.close()


def denial(guest: Guest, setting: Setting) -> Action:
    return action(guest, "disk-gate", setting, "vda")


def given_back(enforcer: Enforcer, guest: Guest) -> tuple[Outcome, ...]:
    return enforcer.reconcile({GuestId(guest.uuid): enforced()}, at=2.0)[GuestId(guest.uuid)]


def test_a_write_fails_at_once_and_reads_go_on(
    guest: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """The guest's write is an I/O error and no stall while it reads on; afterwards it writes again.
    Its definitions are the same all the time."""
    before = everything(guest)
    assert guest.attempt("write") == ""
    applied = reconciled(enforcer, guest, denial(guest, NO_WRITES))
    assert statuses(applied) == ["applied"]
    assert applied[0].prior == {"deny_read": False, "deny_write": False}
    assert guest.attempt("write") == "EIO"
    assert guest.attempt("write", block=5000) == "EIO"
    assert guest.attempt("read") == ""
    assert everything(guest) == before
    assert statuses(given_back(enforcer, guest)) == ["restored"]
    assert guest.attempt("write") == ""
    assert everything(guest) == before
    assert not ledger.kept


def test_a_read_fails_at_once_and_comes_back(guest: Guest, enforcer: Enforcer) -> None:
    """With reads denied the guest reads nothing, not even what it read before; then all again."""
    assert guest.attempt("read") == ""
    assert statuses(reconciled(enforcer, guest, denial(guest, NO_READS))) == ["applied"]
    assert guest.attempt("read") == "EIO"
    assert statuses(given_back(enforcer, guest)) == ["restored"]
    assert guest.attempt("read") == ""
    assert guest.attempt("write") == ""


def test_a_server_that_dies_opens_nothing_and_comes_back(
    guest: Guest, enforcer: Enforcer, keeper: Keeper, gates: Gates, gate: Gate
) -> None:
    """Without its server the guest has errors and no disk, denied or not. The same run finds the
    next server, which denies what the first one did; what is given back then is everything.

    Whether the guest's requests wait meanwhile depends on libvirt: 9.0 cannot tell QEMU to.
    """
    assert guest.attempt("write", block=77) == ""
    assert statuses(reconciled(enforcer, guest, denial(guest, NO_WRITES))) == ["applied"]
    os.kill(serving(gates.place(gate)), signal.SIGKILL)
    wait_until(lambda: not serving(gates.place(gate)), "it is dead", seconds=60)
    serves(keeper, gate)
    wait_until(lambda: guest.attempt("read", block=77) == "", "it reads again", seconds=120)
    assert guest.attempt("write") == "EIO"
    assert guest.attempt("read", block=77) == ""
    assert statuses(given_back(enforcer, guest)) == ["restored"]
    assert guest.attempt("write") == ""


def test_the_next_run_is_denied_from_its_start_and_given_back(
    guest: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """A guest that restarts finds its disk as it left it, and what is given back then is
    everything: nothing of ours is taken for the guest's own."""
    assert statuses(reconciled(enforcer, guest, denial(guest, NO_WRITES))) == ["applied"]
    guest.destroy()
    guest.start()
    guest.wait_ready()
    assert guest.attempt("write") == "EIO"
    enforcer.resync()
    assert statuses(reconciled(enforcer, guest, denial(guest, NO_WRITES))) == ["held"]
    assert statuses(given_back(enforcer, guest)) == ["restored"]
    assert guest.attempt("write") == ""
    assert not ledger.kept


def test_a_guest_that_is_off_is_given_its_disk_back(
    guest: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """A guest whose reads are denied cannot start; one that is released meanwhile can."""
    assert statuses(reconciled(enforcer, guest, denial(guest, NO_READS))) == ["applied"]
    guest.destroy()
    with guest.domain() as domain, pytest.raises(libvirt.libvirtError):
        domain.create()
    assert statuses(given_back(enforcer, guest)) == ["restored"]
    assert not ledger.kept
    guest.start()
    guest.wait_ready()
    assert guest.attempt("read") == ""


def test_a_restart_of_trustd_takes_over(
    guest: Guest, ledger: MemoryLedger, new_enforcer: Callable[[], Enforcer]
) -> None:
    """The next run finds the denial in force, holds it, and gives back what was there before."""
    assert statuses(reconciled(new_enforcer(), guest, denial(guest, NO_WRITES))) == ["applied"]
    enforcer = new_enforcer()
    kept = dict(ledger.kept)
    assert statuses(reconciled(enforcer, guest, denial(guest, NO_WRITES))) == ["held"]
    assert ledger.kept == kept
    assert statuses(given_back(enforcer, guest)) == ["restored"]


def test_a_disk_without_a_gate_is_not_denied(guest: Guest, enforcer: Enforcer) -> None:
    """What cannot be done comes back as not done, with what to do; nothing is kept of it."""
    (told,) = reconciled(enforcer, guest, action(guest, "disk-gate", NO_WRITES, "vdb"))
    assert told.status == "failed"
    assert "trustctl gate add" in told.error
    identity = GuestId(guest.uuid)
    assert enforcer.reconcile({identity: Desired((), Mode.ENFORCE)}, at=3.0)[identity] == ()


def test_a_guest_that_runs_keeps_its_disk_where_it_is(
    guest: Guest, gating: Gating, gate: Gate
) -> None:
    """The definition of a running guest is not touched, and it says what to do."""
    before = everything(guest)
    for change in (gating.move, gating.move_back):
        with pytest.raises(Refused, match="shut it down first"):
            change(gate)
    assert everything(guest) == before


def test_the_definition_is_given_back_to_the_byte(
    hypervisor: Hypervisor, gates: Gates, keeper: Keeper, gating: Gating, shared: Path
) -> None:
    """There and back again the definition is equal, metadata and all; a change that somebody
    made meanwhile stays."""
    devices = '<disk type="file" device="cdrom"><target dev="sda" bus="sata"/></disk>'
    image = Disk(format="raw", path=str(shared / "there-and-back.raw"))
    hypervisor.run("qemu-img", "create", "-q", "-f", "raw", str(image.path), "64M")
    spec = GuestSpec("there-and-back", labels={"app": "web"}, disks=(image,), devices=(devices,))
    with hypervisor.guest(spec) as guest:
        guest.destroy()
        with guest.domain() as domain:
            before = domain.XMLDesc(INACTIVE)
            with pytest.raises(Refused, match="not a disk"):
                gating.survey(GuestId(guest.uuid), "sda", "/run/x/socket")
            gate = moved(guest, gates, keeper, gating)
            behind = domain.XMLDesc(INACTIVE)
            assert gate.socket in behind
            assert 'error_policy="report"' in behind.replace("'", '"')
            assert gating.defined(gate).behind
            gating.move_back(gate)
            assert domain.XMLDesc(INACTIVE) == before
            gating.move(gate)
            domain.setBlockIoTune(
                "vda", {"write_bytes_sec": 7 * 2**20}, libvirt.VIR_DOMAIN_AFFECT_CONFIG
            )
            gating.move_back(gate)
            assert gate.socket not in domain.XMLDesc(INACTIVE)
            domain.setBlockIoTune("vda", {"write_bytes_sec": 0}, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
            assert domain.XMLDesc(INACTIVE) == before
        keeper.retire(gate)
        guest.start()
        guest.wait_ready()
        assert guest.attempt("write") == ""
