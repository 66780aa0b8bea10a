"""What a real daemon answered once, played again to trustctl, and what trustctl made of it.

``python -m tests.ctl.golden SOCKET`` asks the daemon at SOCKET, which must have the lab's guests
web-1 and db-1, writes its answers to ``golden/answers.json``, and then what each command shows.
With ``--show`` instead of a socket only the latter, from the answers that are there.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner

from trustd.ctl import main
from trustd.ctl.connection import _UnixHTTPConnection

FOLDER = Path(__file__).with_name("golden")
ANSWERS = FOLDER / "answers.json"
FORMS = ("table", "plain")
WHY = ("--for", "30m", "--reason", "a drill")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "status": ("status",),
    "guests": ("guests",),
    "guests-in-a-band": ("guests", "--require", "trusted"),
    "guest": ("guest", "web-1"),
    "explain": ("explain", "web-1"),
    "explain-of-the-calm": ("explain", "db-1"),
    "explain-at": ("explain", "web-1", "--at", "8s"),
    "why": ("why", "web-1", "connect", "network:default"),
    "why-not": ("why", "web-1", "fly", "network:default"),
    "can-i": ("can-i", "web-1", "--list"),
    "timeline": ("timeline", "web-1", "--since", "2m", "--points", "12"),
    "incidents": ("incidents", "--all"),
    "incident": ("incident", "1"),
    "incident-ack": ("incident", "1", "ack", "--dry-run"),
    "audit-show": ("audit", "show", "--last", "5"),
    "audit-verify": ("audit", "verify"),
    "exceptions": ("exceptions",),
    "objects": ("objects",),
    "storage": ("storage",),
    "notify-list": ("notify", "list"),
    "hold": ("hold",),
    "protect-list": ("protect", "--list"),
    "protect": ("protect", "web-1", "--reason", "payroll", "--dry-run"),
    "override-show": ("override", "web-1"),
    "override": ("override", "web-1", "--band", "trusted", *WHY, "--dry-run"),
    "release": ("release", "web-1", *WHY, "--dry-run"),
    "pause": ("pause", *WHY, "--dry-run"),
    "resume": ("resume", "--reason", "done", "--dry-run"),
    "ack": ("ack", "web-1", "benign", "--reason", "the new backup", "--dry-run"),
    "label": ("label", "web-1"),
    "label-set": ("label", "web-1", "tier=gold", "--dry-run"),
    "policy-show": ("policy", "show"),
    "policy-reload": ("policy", "reload", "--dry-run"),
    "config-show": ("config", "show"),
    "gate-list": ("gate", "list"),
    "evidence-list": ("evidence", "list"),
    "no-such-guest": ("guest", "nobody"),
}
"""By the name of the golden file. Nothing here changes anything."""

Answer = dict[str, Any]


@contextmanager
def frozen(now: float) -> Iterator[None]:
    """The clock of the commands stands still, in UTC."""
    with patch.dict("os.environ", {"TZ": "UTC"}), patch("time.time", lambda: now):
        time.tzset()
        yield
    time.tzset()


def shown(socket: Path, arguments: tuple[str, ...], form: str) -> str:
    """What a command writes, and its exit code where it is not 0."""
    runner = CliRunner(env={"COLUMNS": "110", "NO_COLOR": "1"})
    command = ["--socket", str(socket), *arguments, "-o", form]
    ran = runner.invoke(main, command, prog_name="trustctl")
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    lines = [line.rstrip() for line in ran.output.splitlines()]
    ending = [f"[exit code {ran.exit_code}]"] if ran.exit_code else []
    return "\n".join([*lines, *ending]) + "\n"


def key(method: str, path: str, body: bytes | None) -> str:
    """What is asked."""
    return f"{method} {path} {(body or b'').decode()}".strip()


@contextmanager
def recorded(answers: dict[str, Answer]) -> Iterator[None]:
    """Keep every answer that the commands get meanwhile."""
    asked: dict[int, str] = {}
    request, getresponse = _UnixHTTPConnection.request, _UnixHTTPConnection.getresponse

    def ask(self: Any, method: str, url: str, body: Any = None, *rest: Any, **more: Any) -> None:
        asked[id(self)] = key(method, url, body)
        request(self, method, url, body, *rest, **more)

    def answer(self: Any) -> http.client.HTTPResponse:
        response = getresponse(self)
        body = response.read()
        answers[asked[id(self)]] = {
            "status": response.status,
            "type": response.headers.get("Content-Type"),
            "document": json.loads(body),
        }
        response.read = lambda *_: body  # type: ignore[method-assign]  # it was read already
        return response

    with (
        patch.object(_UnixHTTPConnection, "request", ask),
        patch.object(_UnixHTTPConnection, "getresponse", answer),
    ):
        yield


@contextmanager
def played(answers: Mapping[str, Answer], socket: Path) -> Iterator[None]:
    """Answer so again, on a socket of this test."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            asked = key(self.command, self.path, self.rfile.read(length))
            known = answers.get(asked)
            answer = known or {"status": 599, "type": "text/plain", "document": asked}
            body = json.dumps(answer["document"]).encode()
            self.send_response(answer["status"])
            self.send_header("Content-Type", answer["type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - as the library calls them

        def log_message(self, *_: object) -> None: ...

        def address_string(self) -> str:
            return "unix"

    class Server(ThreadingMixIn, UnixStreamServer):
        daemon_threads = True

    with Server(str(socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def write(socket: Path, wrap: Callable[[], Any], now: float) -> None:
    """Write what every command shows."""
    with frozen(now), wrap():
        for name, arguments in COMMANDS.items():
            for form in FORMS:
                text = shown(socket, arguments, form)
                (FOLDER / f"{name}.{form}.txt").write_text(text, "utf-8")


def _main() -> None:
    FOLDER.mkdir(exist_ok=True)
    if sys.argv[1] != "--show":
        answers: dict[str, Answer] = {}
        now = float(int(time.time()))
        write(Path(sys.argv[1]), lambda: recorded(answers), now)
        document = {"now": now, "answers": answers}
        ANSWERS.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    kept = json.loads(ANSWERS.read_text("utf-8"))
    socket = FOLDER / "socket"
    with suppress(FileNotFoundError):
        socket.unlink()
    write(socket, lambda: played(kept["answers"], socket), kept["now"])
    socket.unlink()


if __name__ == "__main__":
    _main()
