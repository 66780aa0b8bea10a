"""Processor time of other processes, and how busy the machine is beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def spent(process: int) -> float:
    """Seconds of processor time that a process has used, with all its threads, to the nanosecond.

    >>> spent(os.getpid()) > 0
    True
    """
    # the kernel's name of another process's processor clock (CPUCLOCK_SCHED)
    return time.clock_gettime((~process << 3) | 2)


def resident(process: int) -> float:
    """MiB of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def busy() -> Callable[[], float]:
    """Begin to measure; the returned function says how many processors were busy since.

    >>> since = busy()
    >>> 0.0 <= since() <= os.cpu_count()
    True
    """
    began, idle = time.monotonic(), _idle()

    def since() -> float:
        seconds = max(time.monotonic() - began, 1e-3)
        processors = os.cpu_count() or 1
        return min(max(processors - (_idle() - idle) / seconds, 0.0), processors)

    return since


_SPIN = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"


@contextmanager
def awake() -> Iterator[None]:
    """Keep every processor from sleeping, by work that gives way to all other work.

    As a hypervisor's do under its guests. To wake one of a virtual machine takes longer than
    what is measured in microseconds.
    """
    spinning = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for each in spinning:
            each.kill()
            each.wait()


def load() -> float:
    """How many processes wanted to run, over the last minute."""
    return os.getloadavg()[0]


def _idle() -> float:
    fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
