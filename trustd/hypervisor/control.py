"""The enforcer's door: calls that change a guest, each with a deadline."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import libvirt

from trustd.errors import HypervisorError, TimedOut
from trustd.hypervisor.lane import Lanes
from trustd.hypervisor.settings import HypervisorSettings
from trustd.model import GuestId

T = TypeVar("T")


class ControlConnection:
    """Read-write access to single guests; safe to use from any thread.

    Connections are opened when they are first needed and again after they were lost.

    Args:
        settings: where to connect, and how many calls may be under way at once.
    """

    def __init__(self, settings: HypervisorSettings) -> None:
        self._deadline = settings.deadline
        self._lanes = Lanes(settings, writable=True, name="control")

    def available(self) -> bool:
        """Whether the hypervisor answers now; within the settings' deadline."""
        try:
            future = self._lanes.submit(_ping)
            return future is not None and self._result(future, self._deadline)
        except (HypervisorError, TimedOut):
            return False

    def call(
        self, guest: GuestId, act: Callable[[libvirt.virDomain], T], *, timeout: float = 10.0
    ) -> T:
        """Call ``act`` with the guest's domain and return what it returns.

        Args:
            guest: whom it is about.
            act: everything that belongs together, reading back included. It returns
                plain values and keeps nothing of libvirt.
            timeout: seconds after which the call is given up; it may still happen.

        Raises:
            Unreachable: there is no connection, or it was lost during the call.
            NoSuchGuest: there is no guest of this UUID.
            Refused: libvirt or the guest declined; the cause is libvirt's error.
            TimedOut: no answer in time, or too many calls are still unanswered.
        """
        future = self._lanes.submit(lambda handle: act(handle.lookupByUUIDString(guest)))
        if future is None:
            raise TimedOut(f"guest {guest}: every call slot waits for an unanswered call")
        return self._result(future, timeout)

    def close(self) -> None:
        """Close every connection; one with a call under way ends with the process."""
        self._lanes.close()

    def _result(self, future: Future[T], timeout: float) -> T:
        if not wait([future], timeout).done:
            raise TimedOut(f"no answer within {timeout:g} s; the call may still happen")
        return future.result()


def _ping(handle: libvirt.virConnect) -> bool:
    return bool(handle.getLibVersion())
