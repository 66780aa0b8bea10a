"""The process that outlives the tests just long enough to leave nothing behind.

``python -m tests.lab.keeper OWNER UUID NAME PATH...`` runs in a mount namespace of its own. It
makes the cgroups, starts ``inside.sh`` in fresh namespaces, repeats its lines ("pid N", "ready")
and waits for the end of its standard input, for the death of the process OWNER (even by
``kill -9``), or for the death of the hypervisor. Then it kills what is left and removes the
cgroups. Should the keeper itself be killed, the namespaces die with it (``setpriv --pdeathsig``,
``unshare --kill-child``), and the next keeper sweeps up the empty cgroups.
"""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.lab import cgroups
from tests.lab.mounts import isolate

NAMESPACES = ("--fork", "--kill-child", "--pid", "--mount", "--net", "--uts", "--ipc")
PROPAGATION = ("--propagation", "unchanged")  # isolate() has made it private
SECONDS_TO_START = 120.0


def keep(owner: int, uuid: str, name: str, shared: list[str]) -> None:
    """Run one hypervisor until its owner lets go of it or dies."""
    owner_end = os.pidfd_open(owner)
    isolate()
    while os.path.ismount("/sys"):  # with the machine's view of cgroups, which would be in the way
        subprocess.run(["umount", "--recursive", "--lazy", "/sys"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "lab", "/sys"], check=True)
    tops = cgroups.mount(Path("/sys/cgroup"), systemd="LAB_INIT" in os.environ)
    cgroups.sweep(tops)
    groups = [top / cgroups.name_of(os.getpid()) for top in tops]
    try:
        cgroups.create(groups)
        Path("/sys/shared").write_text("".join(f"{path}\n" for path in shared), "utf-8")
        _run(owner_end, uuid, name, groups)
    finally:
        cgroups.remove(groups, seconds=30.0)


def _run(owner_end: int, uuid: str, name: str, groups: list[Path]) -> None:
    script = Path(__file__).with_name("inside.sh")
    command = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *NAMESPACES, *PROPAGATION]
    command += ["--", "sh", str(script), "join", uuid, name, "/sys/shared", *map(str, groups)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = _repeat(child.stdout.fileno(), [owner_end, sys.stdin.fileno()])
        first = re.search(rb"^pid (\d+)$", said, re.MULTILINE)
        # The kernel kills everything in a process namespace with its first process; when that has
        # gone, so has all else, and unshare(1), whose child it is, returns.
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(first[1]) if first else child.pid, signal.SIGKILL)


def _repeat(lines: int, ends: list[int]) -> bytes:
    """Copy ``lines`` to standard output until one of ``ends`` is readable or the lines end."""
    poll = select.poll()
    for descriptor in (lines, *ends):
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + SECONDS_TO_START
    said = b""
    while True:
        waiting = None if b"ready" in said else max(deadline - time.monotonic(), 0) * 1000
        readable = {descriptor for descriptor, _ in poll.poll(waiting)}
        if not readable:
            sys.stderr.write(f"not ready within {SECONDS_TO_START:g} s\n")
        data = os.read(lines, 4096) if readable == {lines} else b""
        if not data:
            return said
        said += data
        os.write(sys.stdout.fileno(), data)


def main() -> None:
    """Ignore what a terminal sends, as only the owner's end is the end."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    os.umask(0o022)
    owner, uuid, name, *shared = sys.argv[1:]
    keep(int(owner), uuid, name, shared)


if __name__ == "__main__":
    main()
