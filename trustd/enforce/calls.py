"""Calls that can be given up, without losing sight of what they may still do."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

import libvirt

from trustd.enforce.actuator import Control
from trustd.errors import TimedOut
from trustd.model import GuestId

T = TypeVar("T")


class Call(Generic[T]):
    """Whether a call that nobody waits for any more may still change the guest.

    Attributes:
        result: what it returned; None until then, and where it failed.
    """

    def __init__(self) -> None:
        self.result: T | None = None
        self._lock = Lock()
        self._begun = False
        self._over = False

    @property
    def under_way(self) -> bool:
        """Whether it began and has not come back."""
        with self._lock:
            return self._begun and not self._over

    def begin(self) -> bool:
        """Whether it may begin: not after it was given up."""
        with self._lock:
            self._begun = not self._over
            return self._begun

    def end(self) -> None:
        """It came back, or must not begin."""
        with self._lock:
            self._over = True

    def give_up(self) -> bool:
        """Let it not begin; True where it has begun and may still act."""
        with self._lock:
            if not self._begun:
                self._over = True
            return self._begun and not self._over


class StillUnderWay(TimedOut):
    """The call was given up and may still act: nothing else may touch the guest before.

    Args:
        call: tells when it has come back.
    """

    def __init__(self, message: str, call: Call[Any]) -> None:
        super().__init__(message)
        self.call = call


def within(
    control: Control, guest: GuestId, work: Callable[[libvirt.virDomain], T], *, deadline: float
) -> T:
    """Call ``work`` with the guest's domain.

    Raises:
        StillUnderWay: it did not come back by the deadline.
        TimedOut: it did not begin by the deadline, and never will.
    """
    call: Call[T] = Call()

    def act(domain: libvirt.virDomain) -> T:
        if not call.begin():
            raise TimedOut("it was given up before it began")
        try:
            call.result = work(domain)
            return call.result
        finally:
            call.end()

    try:
        return control.call(guest, act, timeout=deadline)
    except TimedOut as error:
        if call.give_up():
            raise StillUnderWay(str(error), call) from error
        raise
