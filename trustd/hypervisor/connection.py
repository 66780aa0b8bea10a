"""One open connection to libvirt, and libvirt's errors in trustd's words."""

from __future__ import annotations

import threading
from collections.abc import Callable

import libvirt

from trustd.errors import NoSuchGuest, Refused, TrustdError, Unreachable
from trustd.hypervisor.loop import run_event_loop
from trustd.hypervisor.settings import HypervisorSettings

_KEEPALIVE_COUNT = 3
_LINK_DOMAINS = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})


class Connection:
    """An open connection, used by one thread at a time.

    Args:
        settings: where to connect.
        writable: whether it may change guests; only the enforcer's may.
        on_loss: called in libvirt's thread when ``lost`` is set.

    Attributes:
        lost: set as soon as libvirt says that the connection is gone. Its own
            ``isAlive`` says yes after a restart of libvirtd.
        handle: libvirt's connection.

    Raises:
        Unreachable: nothing answers there.
    """

    def __init__(
        self,
        settings: HypervisorSettings,
        *,
        writable: bool = False,
        on_loss: Callable[[], None] | None = None,
    ) -> None:
        run_event_loop()
        self.lost = threading.Event()
        opener = libvirt.open if writable else libvirt.openReadOnly
        try:
            self.handle = opener(settings.uri)
        except libvirt.libvirtError as error:
            raise Unreachable(f"{settings.uri}: {error}") from error
        try:
            self.handle.setKeepAlive(settings.keepalive, _KEEPALIVE_COUNT)
            self.handle.registerCloseCallback(_tell, (self.lost, on_loss))
        except libvirt.libvirtError as error:
            self.close()
            raise Unreachable(f"{settings.uri}: {error}") from error

    def close(self) -> None:
        """Close it; no call may be under way on it."""
        for step in (self.handle.unregisterCloseCallback, self.handle.close):
            try:
                step()
            except libvirt.libvirtError:
                # Already gone on the other side: there is nothing left to undo.
                self.lost.set()


def _tell(
    _connection: object,
    _reason: int,
    told: tuple[threading.Event, Callable[[], None] | None],
) -> None:
    lost, on_loss = told
    lost.set()
    if on_loss is not None:
        on_loss()


def is_lost(error: libvirt.libvirtError) -> bool:
    """Whether an error means that the connection is gone.

    Every error of the transport counts: the first call after a restart fails with
    another code than the later ones.
    """
    return error.get_error_domain() in _LINK_DOMAINS


def translated(error: libvirt.libvirtError) -> TrustdError:
    """The error of trustd's tree that says the same, with its cause."""
    problem: TrustdError
    if is_lost(error):
        problem = Unreachable(f"the connection was lost: {error}")
    elif error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
        problem = NoSuchGuest(str(error))
    else:
        problem = Refused(str(error))
    problem.__cause__ = error
    return problem
