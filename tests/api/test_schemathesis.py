"""The whole API as its own description has it, asked by a machine that knows nothing else."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.decisions.running import Running

pytestmark = pytest.mark.slow

pytest.importorskip("schemathesis", reason="it comes with the group of test packages")

POLICY = Path(__file__).parents[1] / "decisions/dialects.yaml"
UNANSWERED = ("/v1/events", "/readyz")
"""The one does not end, and the other is 503 where there is no hypervisor."""


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def forwarded(path: Path) -> Iterator[int]:
    """A port of the loopback that leads to a unix socket, where everything is answered."""
    ends: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.socket(socket.AF_UNIX)
                    ends.extend((client, server))
                    server.connect(str(path))
                    for pair in ((client, server), (server, client)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for each in ends:
                each.close()


@pytest.mark.timeout(900)
def test_whatever_is_asked_is_answered_as_described(tmp_path):
    """Hundreds of requests that fit the description, and that do not: no failure of ours, no
    status, type or document that the description does not have, nothing wrong accepted."""
    with (
        # as fast as it can ask; that too much is refused is another test's promise
        Running(tmp_path, POLICY.read_text("utf-8"), limits={"user": 1e6}) as daemon,
        forwarded(daemon.socket) as port,
    ):
        excluded = [part for path in UNANSWERED for part in ("--exclude-path", path)]
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run"),
                f"http://127.0.0.1:{port}/openapi.json",
                # what fits the description may still make no sense: an empty name, a past date
                *("--exclude-checks", "positive_data_acceptance"),
                *("--phases", "coverage,fuzzing", "--max-examples", "10"),
                *("--seed", "7", "--generation-database", "none", "--no-color"),
                *excluded,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_REPORT": "false"},
        )
        log = daemon.log()
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "a request failed" not in log, log[-3000:]
    generated = re.search(r"(\d+) generated", ran.stdout)
    assert generated is not None, ran.stdout[-2000:]
    assert int(generated[1]) > 300
