"""What happens to the guests of a busy host in a day."""

from __future__ import annotations

import random
from dataclasses import replace

from bench.host import DAY, Host, stock_guest
from trustd.model import Guest, GuestId

RESTART_TICKS = 3
"""For which libvirtd does not answer when it restarts."""


class Churn:
    """Has guests come and go, reboot and be renamed, and libvirtd restart.

    Args:
        guests: that there are at the beginning, and nearly always.
        interval: seconds between two ticks.

    Attributes:
        counts: how often each thing has happened.
    """

    def __init__(self, host: Host, guests: int, interval: float, seed: int = 1) -> None:
        self._host = host
        self._random = random.Random(seed)  # noqa: S311 - the same month each time
        self._next = guests
        self._share = interval / DAY * guests / 100
        self._interval = interval
        self._away: list[tuple[float, Guest]] = []
        self._down = 0
        self._at = 0.0
        # how often in a day, of a hundred guests
        self._kinds = {
            "replaced": (2.0, self._replace),
            "migrated": (2.0, self._migrate),
            "rebooted": (7.0, host.reboot),
            "renamed": (2.0, self._rename),
            "reverted": (0.5, self._revert),
            "crashed": (0.5, self._crash),
        }
        self.counts: dict[str, int] = {}

    def hurry(self, times: float) -> None:
        """Have everything happen so many times as often."""
        self._share *= times

    def tick(self) -> None:
        """What happens before the next tick."""
        self._at += self._interval
        host = self._host
        if self._down:
            self._down -= 1
            if not self._down:
                host.reconnect()
            return
        back = [guest for due, guest in self._away if due <= self._at]
        self._away = [each for each in self._away if each[0] > self._at]
        for guest in back:
            host.define(guest)
            host.tell(guest.id, "lifecycle", "started", "migrated")
        for name, (a_day, work) in self._kinds.items():
            if self._random.random() < a_day * self._share:
                work(self._random.choice(list(host.inventory())))
                self._count(name)
        if self._random.random() < self._interval / DAY:
            host.error, self._down = "connection reset by peer", RESTART_TICKS
            self._count("libvirtd_restarts")

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def _replace(self, guest: GuestId) -> None:
        """One is deleted for good, and another one comes."""
        self._host.tell(guest, "lifecycle", "undefined", "removed")
        self._host.undefine(guest)
        new = stock_guest(self._next)
        self._next += 1
        self._host.define(new)
        self._host.tell(new.id, "lifecycle", "started", "booted")

    def _migrate(self, guest: GuestId) -> None:
        """One leaves for another host, and is back some hours later."""
        known = self._host.inventory()[guest]
        self._host.tell(guest, "lifecycle", "stopped", "migrated")
        self._host.undefine(guest)
        self._away.append((self._at + self._random.uniform(600, 6 * 3600), known))

    def _rename(self, guest: GuestId) -> None:
        known = self._host.inventory()[guest]
        self._host.change(replace(known, name=f"{known.name.split('~')[0]}~{int(self._at)}"))
        self._host.tell(guest, "lifecycle", "defined", "renamed")

    def _revert(self, guest: GuestId) -> None:
        self._host.tell(guest, "lifecycle", "started", "from-snapshot")

    def _crash(self, guest: GuestId) -> None:
        self._host.tell(guest, "lifecycle", "crashed", "panicked")
        self._host.reboot(guest)
