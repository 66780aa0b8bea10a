"""What the disk gate costs while it denies nothing: the same disk, with and without its filter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.results import write
from trustd.gate import NOTHING_DENIED, Gate, Gates, deny, serving
from trustd.model import GuestId

SIZE = 64 * 2**20
ROUNDS = 60
DEPTH = 16
LOADS = {
    "read_4k": (4096, 3_000, ()),
    "write_4k": (4096, 3_000, ("-w",)),
    "read_64k": (65536, 1_000, ()),
    "write_64k": (65536, 1_000, ("-w",)),
}
"""Bytes of a request, how many, and the options of ``qemu-img bench``."""


def measure() -> dict[str, float]:
    """Megabytes a second in the best round, and the gate's share of what goes without it.

    The two take turns. The best round is the one that the rest of the machine disturbed
    least; the server's own processor time a request is hardly disturbed at all.
    """
    figures: dict[str, float] = {}
    with TemporaryDirectory(prefix="gate-") as directory, ExitStack() as stack:
        base = Path(directory)
        servers = {
            "gate": stack.enter_context(_gate(base)),
            "plain": stack.enter_context(_plain(base)),
        }
        for load, (size, count, options) in LOADS.items():
            rates: dict[str, list[float]] = {name: [] for name in servers}
            before = {name: _spent(pid) for name, (_, pid) in servers.items()}
            for _ in range(ROUNDS):
                for name, (socket, _) in servers.items():
                    rates[name].append(_rate(socket, size, count, options))
            for name, (_, pid) in servers.items():
                figures[f"{load}_{name}_mb_per_s"] = max(rates[name])
                spent = _spent(pid) - before[name]
                figures[f"{load}_{name}_server_us_per_request"] = 1e6 * spent / (ROUNDS * count)
            figures[f"{load}_gate_to_plain_ratio"] = max(rates["gate"]) / max(rates["plain"])
        figures["deny_us_median"] = _denial(base)
    return figures


def _rate(socket: str, size: int, count: int, options: tuple[str, ...]) -> float:
    disk = f"driver=raw,file.driver=nbd,file.server.type=unix,file.server.path={socket}"
    asked = ["-c", str(count), "-d", str(DEPTH), "-s", str(size), "-t", "none", *options]
    done = subprocess.run(
        ["qemu-img", "bench", *asked, "--image-opts", disk],  # noqa: S607 - the host's
        check=True,
        capture_output=True,
        text=True,
    )
    took = re.search(r"completed in ([0-9.]+) seconds", done.stdout)
    assert took, done.stdout
    return size * count / 1e6 / float(took[1])


def _spent(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _denial(base: Path) -> float:
    """Microseconds in which a denial is on the disk; it is in force before."""
    (place,) = (base / "gates").iterdir()
    took = []
    for turn in range(200):
        began = time.perf_counter()
        deny(place, {**NOTHING_DENIED, "deny_write": turn % 2 == 0})
        took.append(1e6 * (time.perf_counter() - began))
    return median(took)


@contextmanager
def _gate(base: Path) -> Iterator[tuple[str, int]]:
    guest = GuestId("b1946ac9-2492-4d23-8476-5e7f0a9c3d11")
    gates = Gates(base / "gates", base / "run")
    disk, socket = _disk(base, "gated"), str(gates.socket(guest, "vda"))
    gate = Gate(
        guest,
        "vda",
        disk,
        "raw",
        disk,
        socket,
        user=os.getuid(),
        group=os.getgid(),
        original="<disk/>",
    )
    gates.add(gate)
    place = gates.place(gate)
    with _running(sys.executable, "-I", "-m", "trustd.gate", str(place)) as process:
        while not serving(place):
            time.sleep(0.01)
        yield socket, process


@contextmanager
def _plain(base: Path) -> Iterator[tuple[str, int]]:
    socket = base / "plain.sock"
    served = ("--filter=limit", "--unix", str(socket), "file", _disk(base, "plain"), "limit=1")
    with _running("nbdkit", "--foreground", "--log=null", *served) as process:
        while not socket.exists():
            time.sleep(0.01)
        yield str(socket), process


def _disk(base: Path, name: str) -> str:
    path = base / f"{name}.raw"
    path.write_bytes(bytes(SIZE))
    return str(path)


@contextmanager
def _running(*command: str) -> Iterator[int]:
    with subprocess.Popen(command) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


if __name__ == "__main__":
    write("gate", measure())
