"""A command of the operator's own, with the notice as JSON on its input."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence

import orjson

from trustd.model import Notice
from trustd.notify.channel import NotifyError
from trustd.notify.text import document

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Command:
    """Runs a program without a shell, once a notice.

    Nothing of a notice is part of the command or of its environment, and what it
    writes is dropped: it keeps a log of its own where it needs one.

    Args:
        command: program and arguments.
        timeout: seconds after which it and its children are killed.
    """

    at_once = 1
    renew = 0.0

    def __init__(self, command: Sequence[str], timeout: float) -> None:
        self._command = list(command)
        self._timeout = timeout

    def send(self, notices: Sequence[Notice]) -> None:
        """Tell them one after the other, each to its end."""
        for notice in notices:
            self._run(orjson.dumps(document(notice)))

    def _run(self, told: bytes) -> None:
        # from a file, so that a command that does not read holds nobody up
        with tempfile.TemporaryFile() as file:
            file.write(told)
            file.seek(0)
            try:
                process = subprocess.Popen(
                    self._command,
                    stdin=file,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={"PATH": _PATH, "LANG": "C.UTF-8"},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise NotifyError(f"cannot be started: {error}") from error
        try:
            status = process.wait(self._timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise NotifyError(f"killed after {self._timeout:g} s") from error
        if status:
            raise NotifyError(f"ended with status {status}")
