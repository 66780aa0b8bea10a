"""A whole daemon as a process of its own, on a host where no hypervisor answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.conformance.client import Answer, Client
from tests.lab.waiting import wait_until


class Running:
    """``trustd run`` in a directory; a context manager. It knows users, and no guests.

    A machine that is slow denies nothing here: who tests the deadline of decisions sets it.
    """

    def __init__(self, directory: Path, policy: str, **settings: Any) -> None:
        self.directory = directory
        self.policy = directory / "policy.yaml"
        self.policy.write_text(policy, "utf-8")
        self.socket = directory / "trustd.sock"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.settings = {
            "interval": "500ms",
            "hypervisor": {
                "uri": f"qemu+unix:///system?socket={directory}/none",
                "deadline": "200ms",
            },
            "state": str(directory / "state"),
            "policy": str(self.policy),
            "socket": str(self.socket),
            "listen": {"port": self.port},
        } | settings
        self.settings["decisions"] = {"deadline": "10s"} | settings.get("decisions", {})
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        (self.directory / "trustd.yaml").write_text(json.dumps(self.settings), "utf-8")
        with (self.directory / "trustd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trustd", "run", "--config", self.directory / "trustd.yaml"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]},
            )
        try:
            wait_until(self._ticks, "trustd ticks", seconds=90)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(90)
            self.process = None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(90)
        self.process = None

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def client(self, token: str = "") -> Client:
        return Client(f"unix:{self.socket}", token)

    def tcp(self, token: str = "") -> Client:
        return Client(f"http://127.0.0.1:{self.port}", token)

    def get(self, path: str) -> Any:
        return self.client().send("GET", path).document

    def log(self) -> str:
        return (self.directory / "trustd.log").read_text("utf-8")

    def trustctl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "trustd.ctl", "--socket", self.socket, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def _ticks(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            answer: Answer = self.client().send("GET", "/v1/status")
        except OSError:
            return False
        return answer.status == 200
