"""A guest that arrives by live migration is asked for at its new host's door."""

from __future__ import annotations

import shutil

import pytest

from tests.admission.conftest import POLICY, entries, hooked
from tests.lab.daemon import Daemon
from tests.lab.errors import LabError
from tests.lab.spec import Disk, GuestSpec

pytestmark = pytest.mark.lab


@pytest.fixture
def pair(another_hypervisor, shared):
    """Two hypervisors that reach one another; the second one's libvirt asks trustd."""
    one, two = another_hypervisor("one"), another_hypervisor("two")
    hooked(two, "closed")
    moving = shared / "moving"
    moving.mkdir(exist_ok=True)
    moving.chmod(0o777)  # QEMU, which is not root, makes its socket there
    sockets = [shared / "two.sock", moving / "moving.sock"]
    door = two.popen(
        "socat", f"UNIX-LISTEN:{sockets[0]},fork", "UNIX-CONNECT:/run/libvirt/libvirt-sock"
    )
    yield one, two, sockets
    door.terminate()
    door.wait(60)
    for path in sockets:
        path.unlink(missing_ok=True)


def names(hypervisor):
    with hypervisor.connection() as connection:
        return {domain.name() for domain in connection.listAllDomains() if domain.isActive()}


def migrate(guest, two, sockets):
    directory = two.path(guest.spec.directory)
    directory.mkdir(parents=True, exist_ok=True)
    shutil.chown(directory, "libvirt-qemu")
    guest.close()
    guest.hypervisor.run(
        *("virsh", "migrate", "--live", "--p2p", "--unsafe", guest.name),
        f"qemu+unix:///system?socket={sockets[0]}",
        *("--migrateuri", f"unix://{sockets[1]}"),
    )


def test_an_arrival_is_refused_and_the_guest_runs_on(pair, shared):
    """The target's trustd refuses a guest by its band there and by a wall; the source keeps it
    running each time. What nothing stands against arrives, with its definition as it was."""
    one, two, sockets = pair
    disks = []
    for name in ("suspect", "blue", "web"):
        disks.append(shared / f"{name}.raw")
        with disks[-1].open("wb") as file:
            file.truncate(16 << 20)
        disks[-1].chmod(0o666)

    def spec(name, disk, **labels):
        return GuestSpec(name, labels=labels, disks=(Disk(format="raw", path=str(disk)),))

    suspect, blue, web = one.start(
        spec("suspect", disks[0], app="suspect", client="red"),
        spec("blue", disks[1], client="blue"),
        spec("web", disks[2], client="red"),
    )
    with Daemon(two, POLICY) as daemon:
        with pytest.raises(LabError, match=r"suspect may not arrive here.*band outcast"):
            migrate(suspect, two, sockets)
        assert suspect.counters()
        migrate(web, two, sockets)
        assert "web" in names(two)
        with two.connection() as connection:
            arrived = connection.lookupByName("web").XMLDesc()
        assert 'key="client">red<' in arrived.replace("'", '"')
        with pytest.raises(LabError, match=r"blue may not arrive here.*the wall"):
            migrate(blue, two, sockets)
        assert blue.counters()
        assert names(one) == {"suspect", "blue"}
        assert names(two) == {"web"}
        daemon.wait(lambda: len(entries(daemon)) >= 3, "the journal has all")
        told = [(each["operation"], each["permit"]) for each in entries(daemon)]
        assert told[0] == ("migrate", False)
        assert ("migrate", True) in told
        assert told[-1] == ("migrate", False)
    with two.connection() as connection:
        connection.lookupByName("web").destroy()
