"""The line by which a test commands a running guest."""

import itertools
import socket
import threading
import time
from pathlib import Path

from tests.lab.errors import LabError


class Channel:
    """A client of the guest's agent, over the unix socket of a virtio-serial port.

    One command is on its way at a time; threads take turns. QEMU serves one client a port.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._received = b""

    def close(self) -> None:
        """Hang up; the next command calls again."""
        with self._lock:
            self._hang_up()

    def ask(self, command: str, *, seconds: float) -> dict[str, str]:
        """Send a command; return the ``key=value`` pairs of its answer.

        Raises:
            LabError: the guest refuses or does not answer in time.
        """
        with self._lock:
            number = f"{next(self._ids)}"
            deadline = time.monotonic() + seconds
            try:
                self._connected().sendall(f"{number} {command}\n".encode())
                while True:
                    given, verdict, *words = self._line(deadline).split(" ")
                    if given == number:  # or it is the late answer to a command given up
                        break
            except TimeoutError as error:
                raise LabError(f"no answer to {command!r} within {seconds:.2g} s") from error
            except OSError as error:
                self._hang_up()
                raise LabError(f"no line to the guest for {command!r}: {error}") from error
            if verdict != "ok":
                raise LabError(f"the guest refuses {command!r}: {' '.join(words)}")
            return dict(word.split("=", 1) for word in words if "=" in word)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._received = b""
            client = socket.socket(socket.AF_UNIX)
            try:
                client.connect(str(self._path))
            except OSError:
                client.close()
                raise
            self._socket = client
        return self._socket

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _line(self, deadline: float) -> str:
        assert self._socket is not None
        while b"\n" not in self._received:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the guest hung up")
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        return line.decode(errors="replace")
