"""A hypervisor leaves no trace on the machine, however it ends."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import cgroups
from tests.lab.fixtures import StartHypervisor
from tests.lab.namespaces import PROJECT, processes
from tests.lab.spec import MIB, GuestSpec
from tests.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

# Its child, which knows nothing of the lab, keeps the pipe to the keeper open after its death.
OWNER = """
import os, signal
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
with Hypervisor("doomed") as hypervisor:
    hypervisor.start(GuestSpec("doomed", channel=False))
    hypervisor.popen("sleep", "600")
    if os.fork() == 0:
        signal.pause()
    print(hypervisor.pid, hypervisor._keeper.pid, flush=True)
    signal.pause()
"""
EXPECTED = {"libvirtd", "dnsmasq", "qemu-system-x86", "sleep"}
"""Commands that such an owner has run inside."""


@dataclass(frozen=True)
class Machine:
    """What a lab could change about a machine."""

    mounts: str
    links: tuple[str, ...]
    files: tuple[tuple[str, float], ...]


def machine() -> Machine:
    places = ("/run", "/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")
    files = [
        (str(path), path.lstat().st_mtime)
        for place in places
        for path in sorted(Path(place).rglob("*"))
    ]
    return Machine(
        mounts=Path("/proc/mounts").read_text("utf-8"),
        links=tuple(sorted(name for _, name in socket.if_nameindex())),
        files=tuple(files),
    )


def groups(keeper: int) -> str:
    """The cgroups that a keeper made: looked for where it made them, mounted or not."""
    program = (
        "import subprocess; from pathlib import Path; from tests.lab import cgroups, mounts;"
        "mounts.isolate(); subprocess.run(['mount', '-t', 'tmpfs', 'look', '/sys'], check=True);"
        "tops = cgroups.mount(Path('/sys/cgroup'));"
        f"print(*(group for top in tops for group in top.glob('trustd-lab-{keeper}-*')), end='')"
    )
    command = ["unshare", "--mount", "--propagation", "unchanged", sys.executable, "-c", program]
    return subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout


def names(first: int) -> set[str]:
    """The commands of the processes that run in the process namespace of ``first``."""
    return {
        Path(f"/proc/{process.pid}/comm").read_text("utf-8").strip() for process in processes(first)
    }


def gone(pids: dict[int, int | None]) -> bool:
    return all(cgroups.started(pid) != started for pid, started in pids.items())


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("victim", ["owner", "keeper"])
def test_nothing_survives_a_kill(
    owner: subprocess.Popen[str], victim: str, another_hypervisor: StartHypervisor
) -> None:
    """Kill -9 of the owner or of the keeper ends every process and leaves mounts, links, files.

    The owner's death also removes the cgroups; after the keeper's, the next keeper does.
    """
    before = machine()
    assert owner.stdout
    first, keeper = map(int, owner.stdout.readline().split())
    wait_until(lambda: names(first) >= EXPECTED, f"{EXPECTED} run", seconds=60)
    pids = {process.pid: cgroups.started(process.pid) for process in processes(first)}
    assert groups(keeper)

    os.kill({"owner": owner.pid, "keeper": keeper}[victim], signal.SIGKILL)

    wait_until(lambda: gone(pids), "every process inside has gone", seconds=60)
    if victim == "keeper":
        another_hypervisor("sweeper")
    wait_until(lambda: not groups(keeper), "the cgroups are removed", seconds=60)
    wait_until(
        lambda: victim == "keeper" or cgroups.started(keeper) is None,
        "the keeper has gone",
        seconds=60,
    )
    assert machine() == before


def test_nothing_is_left_after_the_end(another_hypervisor: StartHypervisor) -> None:
    """When ``stop`` returns, all of it is gone; and while it ran, nothing outside changed."""
    before = machine()
    hypervisor = another_hypervisor("brief")
    hypervisor.start(GuestSpec("brief", memory=64 * MIB, channel=False))
    for place in ("/run", "/tmp", "/var/tmp", "/var/lib", "/var/log", "/var/cache", "/dev", "/etc"):  # noqa: S108
        hypervisor.run("touch", f"{place}/trustd-lab-was-here")
        assert not Path(f"{place}/trustd-lab-was-here").exists()
    assert machine() == before
    keeper = hypervisor._keeper
    assert keeper
    pids = {process.pid: cgroups.started(process.pid) for process in processes(hypervisor.pid)}
    pids[keeper.pid] = cgroups.started(keeper.pid)
    hypervisor.stop()
    assert gone(pids)
    assert not groups(keeper.pid)
    assert machine() == before
