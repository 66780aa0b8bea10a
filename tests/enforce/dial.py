"""A lever on a number, and a door to guests that always run: what the loop is tested around."""

from collections.abc import Callable
from typing import Any

from trustd.model import Guest, GuestId, Setting


class OneGuest:
    """A domain that always runs; a lever keeps its state."""

    run = 1

    def ID(self) -> int:  # noqa: N802 - libvirt's name
        return self.run


class Door:
    """A door to any number of such guests."""

    calls = 0
    asked: tuple[GuestId, ...] = ()
    error: Exception | None = None

    def __init__(self) -> None:
        self.domain = OneGuest()

    def call(self, guest: GuestId, act: Callable[[Any], Any], *, timeout: float = 10.0) -> Any:
        self.calls += 1
        self.asked += (guest,)
        if self.error is not None:
            raise self.error
        return act(self.domain)


class Dial:
    """A lever on a number; raises ``error`` instead, while there is one."""

    name = "dial"

    def __init__(self) -> None:
        self.state: Setting = {"at": 9}
        self.error: Exception | None = None
        self.why = ""
        self.writes = 0

    def probe(self, domain: Any) -> str:
        return self.why

    def read(self, domain: Any, device: str, *, config: bool = False) -> Setting:
        return self.state

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:
        return {"at": min(int(prior["at"]), int(wanted["at"]))}

    def loosens(self, before: Setting, after: Setting) -> bool:
        return int(after["at"]) > int(before["at"])

    def facet(self, key: str) -> str:
        return key

    def write(self, domain: Any, device: str, state: Setting) -> None:
        if self.error is not None:
            raise self.error
        self.writes += 1
        self.state = state

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:
        return guest


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now
