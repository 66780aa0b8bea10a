"""libvirt's own event loop, run by one thread.

Keep-alive, close callbacks and events all come through it. libvirt has one loop a
process, takes it before the first connection and never gives it back, so this is
the one place of trustd with a state of the process; the thread is a daemon thread
and ends with the process.
"""

from __future__ import annotations

import threading
import time
from functools import cache

import libvirt

_ONCE = threading.Lock()
_PAUSE_AFTER_ERROR = 0.1


def run_event_loop() -> None:
    """Make sure that the loop runs; call it before a connection is opened."""
    with _ONCE:
        _started()


@cache
def _started() -> threading.Thread:
    # Without a handler of its own libvirt writes every error to standard error,
    # though each is raised as an exception as well.
    libvirt.registerErrorHandler(_ignore, None)
    libvirt.virEventRegisterDefaultImpl()
    thread = threading.Thread(target=_run, name="libvirt-events", daemon=True)
    thread.start()
    return thread


def _ignore(_context: object, _error: object) -> None:
    """Leave the error to the exception that carries it."""


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            time.sleep(_PAUSE_AFTER_ERROR)
