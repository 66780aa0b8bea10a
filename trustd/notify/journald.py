"""The journal, by its own socket: every part of a notice is a field to filter by."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from trustd.model import Notice, Severity
from trustd.notify.channel import NotifyError
from trustd.notify.text import moment

MESSAGE_ID = "7d0a2b5e94c14c8b8f3c6e1a0b9d5f27"
"""Of every notice: ``journalctl MESSAGE_ID=...`` finds them."""

SOCKET = Path("/run/systemd/journal/socket")

_PRIORITIES = {
    Severity.INFO: 6,
    Severity.MINOR: 5,
    Severity.MAJOR: 4,
    Severity.CRITICAL: 2,
}
_OVER = 5
"""The priority of an end, however grave what ended was."""


class Journald:
    """Sends one entry a notice.

    Args:
        timeout: seconds for which a journal that takes nothing is waited for.
    """

    at_once = 1
    renew = 0.0

    def __init__(self, timeout: float, path: Path = SOCKET) -> None:
        self._timeout = timeout
        self._path = path

    def send(self, notices: Sequence[Notice]) -> None:
        """Tell them, a datagram each."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
                journal.settimeout(self._timeout)
                for notice in notices:
                    journal.sendto(entry(notice), str(self._path))
        except OSError as error:
            raise NotifyError(f"{self._path}: {error}") from error


def entry(notice: Notice) -> bytes:
    """An entry in the journal's native protocol."""
    fields = {
        "MESSAGE": f"{'ended: ' if notice.ended else ''}{notice.title}: {notice.problem}",
        "MESSAGE_ID": MESSAGE_ID,
        "PRIORITY": str(_OVER if notice.ended else _PRIORITIES[notice.severity]),
        "SYSLOG_IDENTIFIER": "trustd",
        "TRUSTD_NOTICE": notice.key,
        "TRUSTD_STATE": "ended" if notice.ended else "begun",
        "TRUSTD_SEVERITY": str(notice.severity),
        "TRUSTD_MODE": str(notice.mode),
        "TRUSTD_KIND": notice.labels.get("kind", "other"),
        "TRUSTD_STARTS": moment(notice.starts),
        "TRUSTD_RECOMMENDED": " ".join(notice.recommended),
        "TRUSTD_OBJECTS": ", ".join(notice.objects),
    }
    lines = [field(name, text) for name, text in fields.items() if text]
    for each in notice.guests:
        lines += [field("TRUSTD_GUEST", each.guest), field("TRUSTD_GUEST_NAME", each.name)]
    return b"".join(lines)


def field(name: str, text: str) -> bytes:
    r"""One field with its length before it, so that no text can begin another.

    >>> field("A", "b\nC=d")
    b'A\n\x05\x00\x00\x00\x00\x00\x00\x00b\nC=d\n'
    """
    told = text.encode("utf-8", "replace")
    return name.encode() + b"\n" + len(told).to_bytes(8, "little") + told + b"\n"
