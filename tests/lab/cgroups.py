"""The cgroup hierarchies a hypervisor gets a group of its own in.

libvirt limits a guest's CPU through the cgroup controller ``cpu``. Machines differ: a unified
hierarchy (v2), one hierarchy a controller (v1), or nothing mounted at all (a plain chroot). So
nothing is taken from what the machine has mounted: the kernel says in ``/proc/self/cgroup`` which
hierarchies exist, each is mounted afresh where only the lab sees it, and in each the hypervisor
gets one group, which is also the root of its cgroup namespace.
"""

import contextlib
import errno
import os
import re
import signal
import time
from pathlib import Path
from subprocess import run

from tests.lab.errors import LabError

UNIFIED = "unified"
SYSTEMD = "name=systemd"
"""The hierarchy of v1 in which systemd keeps its units, and that limits nothing."""
WANTED = frozenset({"cpu", "cpuacct", "cpuset", "blkio", "memory", "devices", "freezer"})
GROUP = re.compile(r"trustd-lab-(?P<pid>\d+)-(?P<started>\d+)")


def hierarchies(membership: str, *, systemd: bool = False) -> tuple[str, ...]:
    """Say which hierarchies a hypervisor needs, from the text of ``/proc/self/cgroup``.

    With ``systemd``, also those that systemd keeps its units in as the first process: were they not
    the hypervisor's own, its units would stay behind in the machine's.

    >>> hierarchies("0::/user.slice")
    ('unified',)
    >>> hierarchies("9:name=systemd:/a\\n4:memory:/a\\n2:cpu,cpuacct:/\\n1:net_cls:/\\n0::/a")
    ('memory', 'cpu,cpuacct')
    >>> hierarchies("0::/user.slice", systemd=True)
    ('unified',)
    >>> hierarchies("2:cpu,cpuacct:/\\n0::/a", systemd=True)
    ('name=systemd', 'unified', 'cpu,cpuacct')
    """
    found = [line.split(":")[1] for line in membership.splitlines()]
    wanted = tuple(names for names in found if WANTED.intersection(names.split(",")))
    if any("cpu" in names.split(",") for names in wanted):
        own = (SYSTEMD, UNIFIED) if "" in found else (SYSTEMD,)
        return (*own, *wanted) if systemd else wanted
    return (UNIFIED,)


def mount(root: Path, *, systemd: bool = False) -> list[Path]:
    """Mount every needed hierarchy under ``root``; return their uppermost groups.

    The hypervisors' groups are made right there, whatever group the tests run in: in a unified
    hierarchy that one has processes, and so cannot have limited groups below it; and the next
    keeper, perhaps of another group, finds what a dead one left.
    """
    tops = []
    membership = Path("/proc/self/cgroup").read_text("utf-8")
    for hierarchy in hierarchies(membership, systemd=systemd):
        top = root / hierarchy
        top.mkdir(parents=True)
        options = f"none,{SYSTEMD}" if hierarchy == SYSTEMD else hierarchy
        kind = ["cgroup2"] if hierarchy == UNIFIED else ["cgroup", "-o", options]
        run(["mount", "-t", *kind, "lab", str(top)], check=True)
        tops.append(top)
    return tops


def create(groups: list[Path]) -> None:
    """Make the groups and see that one of them can limit CPU time.

    Raises:
        LabError: none can.
    """
    for group in groups:
        if (group.parent / "cgroup.subtree_control").exists():
            for controller in (group.parent / "cgroup.controllers").read_text("utf-8").split():
                _offer(group.parent, controller)
        group.mkdir()
        for inherited in ("cpuset.mems", "cpuset.cpus"):
            value = group.parent / inherited
            if value.exists():  # v1: an empty cpuset takes no process
                (group / inherited).write_text(value.read_text("utf-8"), "utf-8")
    quotas = ("cpu.max", "cpu.cfs_quota_us")
    if not any((group / quota).exists() for group in groups for quota in quotas):
        raise LabError(
            "no cgroup made here can limit CPU time: the controller cpu is not delegated (run on "
            "a machine, or in a container that has its own cgroup hierarchy)"
        )


def _offer(top: Path, controller: str) -> None:
    """Let groups below ``top`` have the controller, if ``top`` may give it."""
    try:
        (top / "cgroup.subtree_control").write_text(f"+{controller}", "utf-8")
    except OSError as error:
        # Refused to a container's group that has processes; create() judges what is left.
        if error.errno not in {errno.EBUSY, errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP}:
            raise


def remove(groups: list[Path], *, seconds: float) -> None:
    """Remove the groups with all below them, and whatever still runs there."""
    deadline = time.monotonic() + seconds
    for group in groups:
        while group.exists():
            try:
                _kill(group)
                for directory, _, _ in os.walk(group, topdown=False):
                    Path(directory).rmdir()
            except OSError as error:
                # Busy while a killed process is on its way out, or gone by another's hand.
                if error.errno not in {errno.EBUSY, errno.ENOENT} or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _kill(group: Path) -> None:
    """Kill what runs in the group and below."""
    at_once = group / "cgroup.kill"
    if at_once.exists():  # v2, whose threaded groups would not list their processes
        at_once.write_text("1", "utf-8")
        return
    for directory, _, _ in os.walk(group):
        for pid in (Path(directory) / "cgroup.procs").read_text("utf-8").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def sweep(tops: list[Path]) -> None:
    """Remove the groups of hypervisors whose keeper has died without doing so."""
    for top in tops:
        for group in top.glob("trustd-lab-*"):
            owner = GROUP.fullmatch(group.name)
            if owner and started(int(owner["pid"])) != int(owner["started"]):
                remove([group], seconds=30.0)


def name_of(pid: int) -> str:
    """Name the group of the keeper ``pid`` so that nobody takes it for a dead one's."""
    return f"trustd-lab-{pid}-{started(pid)}"


def started(pid: int) -> int | None:
    """Return when the process began, in clock ticks since boot, or None if it is dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the command in parentheses, may contain anything.
    state, *fields = text.rpartition(")")[2].split()
    return None if state in {"Z", "X"} else int(fields[18])
