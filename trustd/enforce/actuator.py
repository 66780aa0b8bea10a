"""What a lever promises, and the door through which it reaches a guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import libvirt

from trustd.errors import EnforceError
from trustd.model import Guest, GuestId, Setting

T = TypeVar("T")


class DeviceGone(EnforceError):
    """The guest has no such device any more."""


class Control(Protocol):
    """Read-write access to single guests; opened when it is first used."""

    def call(
        self, guest: GuestId, act: Callable[[libvirt.virDomain], T], *, timeout: float = 10.0
    ) -> T:
        """Call ``act`` with the guest's domain and return what it returns.

        Raises:
            Unreachable: there is no connection, or it was lost during the call.
            NoSuchGuest: there is no guest of this UUID.
            Refused: libvirt or the guest declined.
            TimedOut: no answer in time; the call may still happen.
        """


class Actuator(Protocol):
    """One lever: reads a device's state and brings a state about, exactly.

    A state says all that the lever may change of a device and nothing else, so
    that writing the state that was read before is the exact undo.

    Attributes:
        name: the lever's name in actions, metrics and documents.
    """

    name: str

    def probe(self, domain: libvirt.virDomain) -> str:
        """Why this host cannot pull the lever; empty where it can. Changes nothing."""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """The device's present state, or that of the guest's next run; never waits for QEMU.

        Raises:
            DeviceGone: there is no such device.
            Refused: there is one, and its state cannot be told.
        """

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:
        """The state that is at least as tight as both; pure."""

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether anything is permitted after that was not before; pure."""

    def facet(self, key: str) -> str:
        """The part of the state that a key belongs to: what is changed as a whole; pure."""

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:
        """The guest as it would be described if the lever had never been pulled; pure.

        What is planned, and what the policy sees, are the guest's own devices: a lever
        that moves or removes one must not make its own reason disappear.
        """

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Bring exactly this state about, and ask the emulator or the kernel whether it is so.

        Raises:
            Refused: it was taken without effect.
        """


@runtime_checkable
class Lasting(Protocol):
    """A lever whose change outlives the run of the guest.

    Attributes:
        lasting: always true.
    """

    lasting: bool


@runtime_checkable
class Removing(Protocol):
    """A lever that takes devices away, also from under the other levers.

    What it asked for cannot be taken back and may come about much later, and while it
    has not come about the other levers go on changing the device.

    Attributes:
        removing: always true.
    """

    removing: bool


@runtime_checkable
class Slow(Protocol):
    """A lever that needs longer than the settings allow the others.

    Attributes:
        deadline: seconds after which one action of it is given up.
    """

    deadline: float
