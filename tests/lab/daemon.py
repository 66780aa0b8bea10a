"""trustd itself on a hypervisor of the lab, and what it says over its socket."""

import http.client
import json
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from tests.lab.errors import LabError
from tests.lab.hypervisor import Hypervisor
from tests.lab.namespaces import Inside
from tests.lab.waiting import tail, wait_until

DIRECTORY = "/var/lib/trustd-lab"
LOG = f"{DIRECTORY}/trustd.log"
SOCKET = "/run/trustd/trustd.sock"

Document = dict[str, Any]


class Daemon:
    """A context manager that runs ``trustd run`` inside; asked over its unix socket.

    ``policy`` is the policy's text; ``settings`` are the daemon's, as in its file. The state
    outlives a ``stop`` or ``kill``, so that a ``start`` is a restart. A ``stop`` gives back what
    is narrowed, unless ``on_stop`` says otherwise.
    """

    def __init__(self, hypervisor: Hypervisor, policy: str, **settings: Any) -> None:
        self.hypervisor = hypervisor
        self.settings: dict[str, Any] = {
            "interval": "1s",
            "hypervisor": {"deadline": "600ms"},
            "state": f"{DIRECTORY}/state",
            "policy": f"{DIRECTORY}/policy.yaml",
            "socket": SOCKET,
            "on_stop": "restore",
            # a test that misses nothing asks without a pause
            "limits": {"tcp": 1e6, "user": 1e6},
        } | settings
        hypervisor.path(DIRECTORY).mkdir(parents=True, exist_ok=True)
        self.configuration = hypervisor.path(f"{DIRECTORY}/trustd.yaml")
        self.policy = hypervisor.path(f"{DIRECTORY}/policy.yaml")
        self.policy.write_text(policy, "utf-8")
        self._process: Inside | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop(expected=None)

    # Its life

    def start(self, *, ready: bool = True, **options: Any) -> None:
        """Start it; with ``ready``, wait until it is."""
        self.configuration.write_text(json.dumps(self.settings), "utf-8")
        with self.hypervisor.path(LOG).open("ab") as log:
            self._process = self.hypervisor.popen(
                *self.command("run"), stdin=-3, stdout=log, stderr=log, **options
            )
        wait_until(lambda: self._ended or self._answers(), "trustd answers", seconds=60)
        if self._ended:
            raise LabError(f"trustd ended with {self._process.returncode}\n{self.log()}")
        if ready:
            self.wait(lambda: self.get("/readyz")["ready"], "trustd is ready", seconds=60)

    def stop(self, *, expected: int | None = 0) -> None:
        """End it by SIGTERM; it must end with the ``expected`` code in a minute."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        if expected is not None and code != expected:
            raise LabError(f"trustd ended with {code}\n{self.log()}")

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(30)
        self._process = None

    def signal(self, number: int) -> None:
        """Send a signal to the daemon itself."""
        pid = self.hypervisor.run("pgrep", "-f", "trustd run").stdout.split()[0]
        self.hypervisor.run("kill", f"-{number}", pid)

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``trustd`` with this configuration."""
        configuration = f"{DIRECTORY}/trustd.yaml"
        return [sys.executable, "-m", "trustd", *arguments, "--config", configuration]

    def trustctl(self, *arguments: str, **options: Any) -> str:
        """What ``trustctl`` prints, run inside."""
        command = [sys.executable, "-m", "trustd.ctl", "--socket", SOCKET, *arguments]
        return self.hypervisor.run(*command, **options).stdout

    def log(self, lines: int = 60) -> str:
        """The end of its log."""
        return tail(self.hypervisor.path(LOG), lines=lines)

    # What it says

    def get(self, path: str) -> Document:
        """The JSON document of a path, whatever its status."""
        return json.loads(self.get_bytes(path))  # type: ignore[no-any-return]

    def get_bytes(self, path: str) -> bytes:
        """The body of a path, whatever its status."""
        connection = _Connection(self.hypervisor.path(str(self.settings["socket"])))
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def guest(self, name: str) -> Document:
        """Everything about one guest; its summary's keys stand beside the others."""
        document = self.get(f"/v1/guests/{quote(name, safe='')}")
        return {**document.pop("summary", {}), **document}

    def wait(self, condition: Callable[[], bool], what: str, *, seconds: float = 60.0) -> None:
        """Wait until a condition holds; its failure shows the daemon's log."""
        try:
            wait_until(condition, what, seconds=seconds)
        except LabError as error:
            raise LabError(f"{error}\ntrustd's log:\n{self.log()}") from None

    def wait_guest(
        self,
        name: str,
        condition: Callable[[Document], bool],
        what: str,
        *,
        seconds: float = 60.0,
    ) -> Document:
        """Wait until a condition on a guest holds; the guest as it then is."""
        last: Document = {}

        def holds() -> bool:
            last.clear()
            last.update(self.guest(name))
            return "id" in last and condition(last)

        try:
            self.wait(holds, f"{name}: {what}", seconds=seconds)
        except LabError as error:
            raise LabError(f"{error}\nthe guest:\n{json.dumps(last, indent=1)}") from None
        return last

    @property
    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _answers(self) -> bool:
        return bool(self.get_bytes("/livez"))


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
