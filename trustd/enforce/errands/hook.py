"""``hook``: runs a command of the operator's own, which the settings name."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence

import orjson
import structlog

from trustd.enforce.errands.occasion import occasion_document
from trustd.errors import EnforceError, Refused, TimedOut
from trustd.model import Action, Assessment, Setting

log = structlog.get_logger()

MOST_OUTPUT = 4096
"""Bytes of what a hook writes that are kept; the rest is read and dropped."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_STEP = 0.2


class Hook:
    """Runs commands without a shell, with the assessment as JSON on their input.

    A policy can only name one: whoever may write a policy cannot make trustd run
    what it likes. Nothing of a guest is ever part of a command.

    Args:
        commands: program and arguments, by name.
        deadline: seconds after which a command and its children are killed.
    """

    at_once = 2

    def __init__(self, commands: Mapping[str, Sequence[str]], *, deadline: float = 30.0) -> None:
        self._commands = commands
        self._deadline = deadline

    def do(self, action: Action, occasion: Assessment) -> Setting:
        """Run it to its end.

        Raises:
            Refused: the settings have no such hook, or it cannot be started.
            TimedOut: it took too long, and was killed.
            EnforceError: it says that it failed.
        """
        command = self._commands.get(action.device)
        if command is None:
            raise Refused(f"the settings have no hook {action.device}")
        environment = {
            "PATH": _PATH,
            "LANG": "C.UTF-8",
            "TRUSTD_HOOK": action.device,
            "TRUSTD_GUEST": occasion.id,
            "TRUSTD_BAND": occasion.band,
        }
        with tempfile.TemporaryFile() as told:
            told.write(orjson.dumps(occasion_document(occasion)))
            told.seek(0)
            try:
                process = subprocess.Popen(
                    list(command),
                    stdin=told,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise Refused(f"cannot be started: {error}") from error
        with process:
            output, over = _follow(process, self._deadline)
        said = printable(output)
        log.info(
            "hook", hook=action.device, guest=occasion.id, status=process.returncode, output=said
        )
        if over:
            raise TimedOut(f"killed after {self._deadline:g} s; it said: {said}")
        if process.returncode:
            raise EnforceError(f"ended with status {process.returncode}; it said: {said}")
        return {"output": said} if said else {}


def _follow(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bool]:
    """Read what it says until its end, or kill it; the output, and whether it was killed."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    pipe, end, kept, open_ = process.stdout.fileno(), time.monotonic() + deadline, b"", True
    while time.monotonic() < end:
        ready = select.select([pipe] if open_ else [], [], [], _STEP)[0]
        if ready:
            piece = os.read(pipe, 65536)
            open_ = bool(piece)
            kept = (kept + piece)[:MOST_OUTPUT]
        elif process.poll() is not None:
            return kept, False  # a child of its that goes on may keep the pipe open
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return kept, True


def printable(output: bytes) -> str:
    r"""What a command wrote as one line that can do nothing to a terminal or a log.

    >>> printable(b"done\x1b[2J\n\xff")
    'done\\x1b[2J\\n\\udcff'
    """
    text = output.decode("utf-8", "surrogateescape").rstrip("\n")
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )
