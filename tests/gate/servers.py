"""What the tests share: a gate of a test's own, its server, and a client as QEMU is one."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.waiting import wait_until
from trustd.gate import Gate, Gates, serving
from trustd.model import GuestId

GUEST = GuestId("b1946ac9-2492-4d23-8476-5e7f0a9c3d11")
SIZE = 8 * 2**20
SECONDS = 60.0
PROMPT = b"qemu-io> "


def gate_of(base: Path, *, target: str = "vda", kind: str = "qcow2") -> Gate:
    """A gate under a directory with a short name, with an image that exists."""
    image = base / f"{target}.{kind}"
    create = ["qemu-img", "create", "-q", "-f", kind, str(image), str(SIZE)]
    subprocess.run(create, check=True)
    return Gate(
        guest=GUEST,
        target=target,
        disk=str(image),
        format=kind,
        identity=str(image),
        socket=str(base / "run" / f"{GUEST}-{target}" / "socket"),
        user=os.getuid(),
        group=os.getgid(),
        original="<disk/>",
    )


@contextmanager
def served(gates: Gates, gate: Gate) -> Iterator[subprocess.Popen[bytes]]:
    """The gate's server, as the unit starts it."""
    place = gates.place(gate)
    command = [sys.executable, "-I", "-m", "trustd.gate", str(place)]
    with subprocess.Popen(command) as process:
        wait_until(lambda: serving(place) == process.pid, "the gate serves", seconds=90)
        try:
            yield process
        finally:
            process.kill()


class Client:
    """A qemu-io with the gate's disk open; errors are what it says."""

    def __init__(self, gate: Gate) -> None:
        server = f'"server":{{"type":"unix","path":"{gate.socket}"}}'
        reconnect = '"reconnect-delay":90'
        image = f'json:{{"driver":"{gate.format}","file":{{"driver":"nbd",{server},{reconnect}}}}}'
        self._process = subprocess.Popen(
            ["qemu-io", image],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._said()

    def do(self, command: str) -> str:
        """Send one command, and return what it says."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()
        return self._said()

    def close(self) -> None:
        """Hang up."""
        if self._process.poll() is None:
            self._process.communicate(b"quit\n", timeout=60)

    def _said(self) -> str:
        """What comes before the next prompt."""
        assert self._process.stdout is not None
        said, until = b"", time.monotonic() + SECONDS
        while not said.endswith(PROMPT):
            left = until - time.monotonic()
            if not select.select([self._process.stdout], [], [], max(0.0, left))[0]:
                raise TimeoutError(said)
            part = os.read(self._process.stdout.fileno(), 65536)
            if not part:
                raise ConnectionError(said)
            said += part
        return said.removesuffix(PROMPT).decode()
