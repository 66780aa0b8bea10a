"""A shell that is typed into, as a reader of the documents does."""

import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable
from fcntl import ioctl
from subprocess import PIPE, Popen
from types import TracebackType
from typing import Any, Self

from tests.lab.errors import LabError

END = "\x1e"  # a separator that no program here prints
SECONDS = 300.0


class Shell:
    """A context manager: one bash from the first command to the last.

    What it says goes to a terminal of 100 columns, so that programs speak as they do to people.
    """

    def __init__(self, start: Callable[..., "Popen[Any]"]) -> None:
        self._start = start
        self._process: Popen[Any] | None = None
        self._terminal = -1

    def __enter__(self) -> Self:
        self._terminal, inner = pty.openpty()
        ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
        self._process = self._start(stdin=PIPE, stdout=inner, stderr=inner)
        os.close(inner)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.kill()
        self._process.stdin.close()
        self._process.wait(30)
        os.close(self._terminal)

    def run(self, typed: str, *, seconds: float = SECONDS) -> tuple[int, str]:
        """Type a command; return its exit status and all that was said until it ended.

        Raises:
            LabError: it did not end in time, or the shell has gone.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        line = f"{{ {typed}\n}} </dev/null; printf '{END}%d{END}' $?\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        said = ""
        deadline = time.monotonic() + seconds
        while said.count(END) < 2:  # one before the status, one after it
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._terminal], [], [], left)[0]:
                raise LabError(f"not ended within {seconds:g} s: {typed}\n{said}")
            try:
                said += os.read(self._terminal, 65536).decode(errors="replace")
            except OSError as error:  # EIO: nobody holds the other end any more
                raise LabError(f"the shell has gone during: {typed}\n{said}") from error
        said, status, _ = said.split(END, 2)
        return int(status), said
