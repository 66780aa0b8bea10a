"""A small machine in the machine: namespaces with a keeper, and processes in them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.lab.errors import LabError
from tests.lab.requirements import PATH, require
from tests.lab.waiting import wait_until

# What inside.sh replaces by something private.
PRIVATE = ("/run", "/tmp", "/var/tmp", "/var/lib", "/var/log", "/var/cache", "/dev")  # noqa: S108
PROJECT = Path(__file__).parents[2]
# Nothing of a developer's shell reaches a daemon inside.
CLEAN = {"PATH": PATH, "LANG": "C.UTF-8"}


class Namespaces:
    """A context manager: inside it the processes of ``inside.sh`` run; after it nothing of it does.

    Every process started inside dies with it, and all of it dies with this process, even by
    ``kill -9``. The paths in ``PRIVATE`` and ``/etc`` are its own, save for those in ``shared``,
    this project and the running Python: they are the same inside and outside.
    """

    environment = CLEAN
    """Of the first process inside."""

    def __init__(self, name: str, *, shared: Sequence[Path] = ()) -> None:
        self.name = name
        self.uuid = str(uuid.uuid4())
        self.pid = 0
        self.shared = tuple(shared)
        self._covered = covered([PROJECT, Path(sys.prefix), Path(sys.base_prefix), *shared])
        self._keeper: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> Self:
        require()
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # closed by stop()
        self._keeper = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation", "unchanged", "--"),
                *(sys.executable, "-m", "tests.lab.keeper"),
                *(str(os.getpid()), self.uuid, self.name, *self._covered),
            ],
            cwd=PROJECT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal is for the tests, which then let go
        )
        try:
            self.started()
        except BaseException:
            with contextlib.suppress(LabError):  # the first error says what is wrong
                self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def started(self) -> None:
        """Wait until the inside is ready."""
        assert self._keeper is not None
        assert self._keeper.stdout is not None
        for line in self._keeper.stdout:
            if line == "ready\n":
                return
            self.pid = int(line.removeprefix("pid "))
        raise LabError(f"{self.name} did not start:\n{self._told()}")

    def stop(self) -> None:
        """Kill everything inside, at once; return when nothing of it is left."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.communicate(timeout=120)
        told = self._told()
        if self._log is not None:
            self._log.close()
            self._log = None
        if keeper is not None and keeper.returncode != 0:
            raise LabError(f"{self.name} left something behind:\n{told}")

    def _told(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read()

    @property
    def running(self) -> bool:
        """Say whether it was started and still runs."""
        return self._keeper is not None and self._keeper.poll() is None

    def path(self, inside: str | Path) -> Path:
        """Return the outside's path of a file of the inside: to read, write or connect to."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def outside_pid(self, inside: int) -> int:
        """Return the outside's id of the process that has the id ``inside`` in here."""
        for process in processes(self.pid):
            if process.inside == inside:
                return process.pid
        raise LabError(f"no process {inside} in {self.name}")

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command which, run outside, runs ``arguments`` inside."""
        enter = ["nsenter", "-t", str(self.pid), *("-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w")]
        # nsenter stays outside and waits for its child inside, which is to die with it.
        die = ["setpriv", "--pdeathsig", "KILL", "--", "/run/lab/enter"]
        return [*enter, "--", *die, *map(str, arguments)]

    def run(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; ``options`` go to ``subprocess.run``.

        Raises:
            LabError: it failed (unless ``check=False``), with what it said.
        """
        check = options.pop("check", True)
        pipes: dict[str, Any] = {"capture_output": True, "text": True}
        ended = subprocess.run(self.command(*arguments), check=False, **pipes | options)
        if check and ended.returncode != 0:
            said = f"{ended.stdout or ''}{ended.stderr or ''}"
            raise LabError(f"{arguments} ended with {ended.returncode} in {self.name}:\n{said}")
        return ended

    def popen(self, *arguments: str | Path, **options: Any) -> "Inside":
        """Start a command inside; ``options`` go to ``subprocess.Popen``."""
        return Inside(self.command(*arguments), **options)


class Inside(subprocess.Popen[Any]):
    """A process of the inside. ``pid`` is nsenter's; signals go to the command itself."""

    def send_signal(self, sig: int) -> None:
        """Send a signal to the command, from which nsenter takes its exit status."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        wait_until(
            lambda: self.poll() is not None or bool(children.read_text("utf-8")),
            "the command runs",
            seconds=60,
        )
        if self.poll() is None:
            for child in children.read_text("utf-8").split():  # none where it has just ended
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its id outside and its id inside, and its arguments."""

    pid: int
    inside: int
    arguments: tuple[str, ...]


def processes(first: int) -> list[Process]:
    """Return all processes in the process namespace of ``first`` (an id of the outside)."""
    namespace = Path(f"/proc/{first}/ns/pid").readlink()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # It may have just ended, or not be for us to look at, and then it is none of the lab's.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if (process / "ns" / "pid").readlink() == namespace:
                status = (process / "status").read_text("utf-8")
                arguments = (process / "cmdline").read_text("utf-8", errors="replace")
                found.append(
                    Process(
                        pid=int(process.name),
                        inside=int(re.findall(r"^NSpid:.*\t(\d+)$", status, re.MULTILINE)[0]),
                        arguments=tuple(arguments.split("\0")),
                    )
                )
    return found


def covered(paths: Sequence[Path]) -> list[str]:
    """Return those paths that private directories would cover, outermost first.

    >>> covered([Path("/usr"), Path("/tmp/a/b"), Path("/tmp/a"), Path("/tmp/a")])
    ['/tmp/a', '/tmp/a/b']
    """
    return sorted(
        {str(path) for path in paths if any(path.is_relative_to(private) for private in PRIVATE)}
    )
