"""Log entries for systemd's journal, each value a field of its own to filter by."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import socket
import threading
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Protocol, TextIO

from trustd.daemon.message_ids import MESSAGE_IDS
from trustd.notify.journald import SOCKET, field

_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_OWN = frozenset({"event", "level", "timestamp", "exception"})
_NOT_OF_A_NAME = re.compile("[^A-Z0-9]+")
_PLAIN = re.compile(r"[\w.:/@%+-]+", re.ASCII)
_PATIENCE = 0.05
"""Seconds for which a journal that takes nothing is waited for: whoever logs may be deciding."""
_TROUBLE = 5.0
"""Seconds from then on in which it is not waited for at all."""
_TOO_LONG = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Sink(Protocol):
    """Takes a line of text."""

    def msg(self, line: str) -> None:
        """Write it."""


class Entries:
    """Sends log entries to the journal, and never fails; from any thread.

    What a journal that hangs does not take is dropped, and counted: standard error, being
    the same journal's stream, would hang too. When entries arrive again it is told how many
    did not.

    Args:
        otherwise: takes the text of each entry where there is no journal.
        path: the journal's socket.
    """

    def __init__(self, otherwise: Sink, path: Path = SOCKET) -> None:
        self._otherwise = otherwise
        self._path = path
        self._lock = threading.Lock()
        self._dropped = 0
        self._hurries = -1.0

    def msg(self, message: str, entry: bytes) -> None:
        """Send one at once."""
        try:
            self._send(entry)
        except FileNotFoundError:
            self._otherwise.msg(message)
        except OSError:
            self._drop(1)
        else:
            self._tell()

    log = debug = info = warn = warning = error = critical = exception = fatal = msg

    def _send(self, entry: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.settimeout(0.0 if time.monotonic() < self._hurries else _PATIENCE)
            # only of a socket that is connected it can be waited for until the other end reads
            journal.connect(str(self._path))
            try:
                journal.send(entry)
            except OSError as error:
                if error.errno not in _TOO_LONG:
                    raise
                _send_file(journal, entry)

    def _drop(self, entries: int) -> None:
        with self._lock:
            self._dropped += entries
            self._hurries = time.monotonic() + _TROUBLE

    def _tell(self) -> None:
        """Say how many were dropped, where any were."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if not dropped:
            return
        told = {"event": "log entries were dropped", "level": "warning", "dropped": dropped}
        (_, entry), _ = render(None, "", told)
        try:
            self._send(entry)
        except OSError:
            self._drop(dropped)


def _send_file(journal: socket.socket, entry: bytes) -> None:
    """Send what no datagram holds as the journal wants it: a file in memory that nobody changes."""
    with os.fdopen(os.memfd_create("trustd", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "wb") as file:
        file.write(entry)
        file.flush()
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
        socket.send_fds(journal, [b""], [file.fileno()])


def goes_to_journal(environment: Mapping[str, str], file: TextIO) -> bool:
    """Whether what is written to a file arrives in the journal (``JOURNAL_STREAM``)."""
    try:
        about = os.fstat(file.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{about.st_dev}:{about.st_ino}"


def render(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> tuple[tuple[str, bytes], dict[str, object]]:
    """An entry as text, and in the journal's native protocol: what :class:`Entries` takes."""
    name, level = str(event["event"]), str(event["level"])
    told = {key: _text(value) for key, value in event.items() if key not in _OWN}
    message = ": ".join(filter(None, (name, " ".join(f"{k}={_word(v)}" for k, v in told.items()))))
    if trace := event.get("exception"):
        message = f"{message}\n{trace}"
    fields = [
        ("MESSAGE", message),
        ("MESSAGE_ID", MESSAGE_IDS.get(name, "")),
        ("PRIORITY", str(_PRIORITIES[level])),
        ("SYSLOG_IDENTIFIER", "trustd"),
        ("TRUSTD_EVENT", name),
        *((_name(key), text) for key, text in told.items()),
    ]
    # in the form of the arguments of msg()
    return (message, b"".join(field(key, text) for key, text in fields if text)), {}


def _name(key: str) -> str:
    """A value's name as the journal wants it.

    >>> _name("guest"), _name("would-refuse")
    ('TRUSTD_GUEST', 'TRUSTD_WOULD_REFUSE')
    """
    return f"TRUSTD_{_NOT_OF_A_NAME.sub('_', key.upper())}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _word(text: str) -> str:
    r"""A value in a message: as it is where nothing in it could be taken for something else.

    >>> _word("web-1"), _word("a b"), _word("\x1b[2J")
    ('web-1', '"a b"', '"\\u001b[2J"')
    """
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
