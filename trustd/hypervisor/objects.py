"""The volumes and networks of a host, with every name that they go by.

Listing a pool may wait for a storage that does not answer. So it happens in a thread of its
own, on a connection of its own that can change nothing, and with a deadline; what was known
stays known meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from itertools import islice

import libvirt
import structlog

from trustd.errors import TrustdError
from trustd.hypervisor.connection import Connection, is_lost
from trustd.hypervisor.lane import Lane
from trustd.hypervisor.settings import HypervisorSettings
from trustd.model import KnownObject, ObjectRef

log = structlog.get_logger()

EVERY = 60.0
"""Seconds after which all is read anew: libvirt tells of no volume that somebody made."""
AGAIN = 5.0
"""Seconds after which it is tried again where that failed."""
DEADLINE = 20.0
"""Seconds for one reading."""
MOST = 20_000
"""Objects of one kind; the rest is not known."""
_JOIN_SECONDS = 2.0

Known = tuple[KnownObject, ...]


class HostObjects:
    """Keeps the list of a host's volumes and networks; any thread reads it.

    Args:
        settings: where to connect.
    """

    def __init__(self, settings: HypervisorSettings) -> None:
        self._settings = settings
        self._known: Known = ()
        self._trouble = ""
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._lane = Lane(settings, writable=False, name="objects")
        self._thread = threading.Thread(target=self._run, name="objects-watch", daemon=True)

    @property
    def known(self) -> Known:
        """All of them, by type and identity; the same value while nothing changes."""
        return self._known

    @property
    def trouble(self) -> str:
        """Why the list may be old; empty while it is not."""
        return self._trouble

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End; a call under way ends with the process."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)
        self._lane.close()

    def _run(self) -> None:
        events: _Events | None = None
        reading: Future[Known] | None = None
        while not self._stop.is_set():
            self._wake.clear()
            if events is None or events.lost:
                events = self._listen(events)
            # a reading that hangs keeps the lane: nothing is asked behind it
            reading = reading or self._lane.submit(read_all)
            if wait([reading], DEADLINE).done:
                self._take(reading)
                reading = None
            else:
                self._told(f"no answer within {DEADLINE:g} s")
            self._wake.wait(AGAIN if self._trouble else EVERY)
        if events is not None:
            events.end()

    def _take(self, reading: Future[Known]) -> None:
        error = reading.exception()
        if error is not None:
            self._told(str(error))
            return
        found = reading.result()
        if found != self._known:
            self._known = found
        self._told("")

    def _told(self, trouble: str) -> None:
        if trouble and not self._trouble:
            log.warning("volumes and networks cannot be listed", error=trouble)
        self._trouble = trouble

    def _listen(self, before: _Events | None) -> _Events | None:
        if before is not None:
            before.end()
        try:
            return _Events(self._settings, self._wake.set)
        except TrustdError:
            # without them the list is as old as the last reading
            return None


class _Events:
    """A connection that says when a pool or a network comes, goes or is refreshed."""

    def __init__(self, settings: HypervisorSettings, changed: Callable[[], None]) -> None:
        self._connection = Connection(settings, on_loss=changed)
        handle = self._connection.handle

        def told(*_: object) -> None:
            changed()

        with suppress(libvirt.libvirtError):
            handle.networkEventRegisterAny(None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, told, None)
            for kind in (
                libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
                libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
            ):
                handle.storagePoolEventRegisterAny(None, kind, told, None)

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.lost.is_set()

    def end(self) -> None:
        """Hear no more."""
        self._connection.close()


def read_all(handle: libvirt.virConnect) -> Known:
    """Every volume of the pools that are active, and every network.

    Raises:
        libvirt.libvirtError: the hypervisor does not answer.
    """
    found = [*islice(_networks(handle), MOST), *islice(_volumes(handle), MOST)]
    return tuple(sorted(found, key=lambda each: (each.ref.type, each.ref.id)))


def _networks(handle: libvirt.virConnect) -> Iterator[KnownObject]:
    for network in handle.listAllNetworks():
        names = [network.name()]
        try:
            names.append(network.bridgeName())
        except libvirt.libvirtError as error:
            # it was removed meanwhile, or has none
            if is_lost(error):
                raise
        ref = ObjectRef("network", network.UUIDString())
        yield KnownObject(ref, tuple(dict.fromkeys(name for name in names if name)))


def _volumes(handle: libvirt.virConnect) -> Iterator[KnownObject]:
    for pool in handle.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        try:
            volumes, name = pool.listAllVolumes(), pool.name()
        except libvirt.libvirtError as error:
            if is_lost(error):
                raise
            continue
        for volume in volumes:
            known = _volume(volume, name)
            if known is not None:
                yield known


def _volume(volume: libvirt.virStorageVol, pool: str) -> KnownObject | None:
    key, place = volume.key(), f"{pool}/{volume.name()}"
    try:
        # where the key is a path, asking for the path would only cost a call
        path = key if key.startswith("/") else volume.path()
    except libvirt.libvirtError as error:
        if is_lost(error):
            raise
        return None
    # as guests' definitions name it, and as people do
    names = dict.fromkeys((path, f"volume:{place}", place))
    names.pop(key, None)
    return KnownObject(ObjectRef("volume", key), tuple(names))
