"""Receivers on loopback, well and broken, and a repository of one's own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from trustd.model import Affected, GuestId, Mode, Notice, Severity
from trustd.repository import Database

AT = 1_790_000_000.0
UUID = GuestId("d0000000-0000-0000-0000-000000000001")
HOSTILE = "<script>alert(1)</script>\x1b[2J\n\u202e\u0000{{ .Labels }}\ud800" + "n" * 5000


def until(condition: Callable[[], bool], within: float = 60.0) -> None:
    """Wait until a condition holds; fail where it does not in so many seconds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def notice(key: str = f"band:{UUID}", name: str = "web-1", **other: object) -> Notice:
    """A guest that fell, unless told otherwise."""
    values: dict[str, object] = {
        "key": key,
        "severity": Severity.MAJOR,
        "title": f"{name} is restricted",
        "problem": f"{name} writes too much",
        "mode": Mode.OBSERVE,
        "starts": AT,
        "guests": (Affected(UUID, name),),
        "objects": ("/pool/web-1.qcow2",),
        "recommended": ("Look at it.",),
        "labels": {"kind": "band", "band": "restricted"},
    }
    return Notice(**{**values, **other})  # type: ignore[arg-type]


@dataclass
class Listener:
    """What a small HTTP receiver was sent, and what it answers."""

    url: str = ""
    status: int = 200
    sent: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A receiver that answers what the test says."""
    known = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.sent.append((dict(self.headers), body))
            self.send_response(known.status)
            self.send_header("Content-Length", "0")
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield known
    server.shutdown()
    server.server_close()


@pytest.fixture
def dripping() -> Iterator[str]:
    """The address of a receiver that answers a byte now and then, and never ends."""
    over = threading.Event()

    def drip(client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.02):
                client.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of a receiver that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A repository."""
    made = Database(tmp_path / "state" / "trustd.db")
    yield made
    made.close()
