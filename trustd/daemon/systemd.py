"""Telling systemd how the daemon fares (sd_notify(3)); silent where nobody listens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

PATIENCE = 0.5
"""Seconds for which a message is waited for to be taken."""


class Notifier:
    """Speaks to the service manager over its datagram socket.

    Args:
        environment: where ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` are looked up.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # a leading @ stands for the null byte of an abstract address
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = int(environment.get("WATCHDOG_USEC", 0)) / 1e6
        """Seconds within which systemd wants to hear of us; 0 for never."""

    def patience(self, seconds: float) -> None:
        """Have the watchdog wait at least so long; the interval is a setting of ours."""
        if 0 < self.watchdog < seconds:
            self.watchdog = seconds
            self._send(f"WATCHDOG_USEC={int(seconds * 1e6)}")

    def ready(self, status: str) -> None:
        """The sockets are bound and a policy is loaded."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, line: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={line}")

    def alive(self) -> None:
        """Feed the watchdog; called from the loop that decides."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload begins; :meth:`ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            # a manager that does not read its messages must not hold up the line
            out.settimeout(PATIENCE)
            try:
                out.connect(self._address)
                out.sendall("\n".join(lines).encode())
            except OSError:
                # it went away: that is no reason to stop watching guests
                return
