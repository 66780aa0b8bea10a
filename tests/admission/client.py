"""The hook's client as a process, and things at the other end of its socket."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "contrib/libvirt/trustd-admission"
PLACE = "/etc/trustd/hook.conf"
XML = (
    "<domain type='qemu'><name>web</name><uuid>00000000-0000-0000-0000-000000000001</uuid></domain>"
)


@dataclass(frozen=True)
class Told:
    """What a run of the client came to; ``seconds`` include its start."""

    status: int
    out: str
    error: str
    seconds: float


class Client:
    """The shipped program, told to read its settings in a directory of the test."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "trustd.sock"
        self.settings = directory / "hook.conf"
        self.program = directory / "trustd-admission"
        text = CLIENT.read_text("utf-8")
        assert text.count(f'"{PLACE}"') == 1
        self.program.write_text(text.replace(PLACE, str(self.settings)), "utf-8")
        self.program.chmod(0o755)

    def set(self, unavailable: str, timeout: float = 20) -> None:
        self.settings.write_text(
            f"socket = {self.socket}\ntimeout = {timeout}\nunavailable = {unavailable}\n", "utf-8"
        )

    def hook(self, operation: str, xml: str = XML, name: str = "web") -> Told:
        return self.run(name, operation, "begin", "-", xml=xml)

    def run(self, *arguments: str, xml: str = "") -> Told:
        began = time.monotonic()
        done = subprocess.run(
            [self.program, *arguments],
            input=xml,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={},
        )
        return Told(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def answer(document: object, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n".encode() + (
        json.dumps(document).encode()
    )


@contextlib.contextmanager
def serving(path: Path, behave: Callable[[socket.socket], None]) -> Iterator[list[bytes]]:
    """Something at the socket, that does this to each connection; gives what it was sent."""
    heard: list[bytes] = []
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.05)

        def loop() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(60)
                    heard.append(_request(connection))
                    behave(connection)

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield heard
        finally:
            ended.set()
            thread.join()


def _request(connection: socket.socket) -> bytes:
    """One request, by its length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError("it asked nothing to the end")
    return data
