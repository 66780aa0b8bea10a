"""libvirt's domain events in trustd's words."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import libvirt

from trustd.model import GuestEvent, GuestId

Sink = Callable[[GuestEvent], None]

_LONGEST_TEXT = 1024
_MOST_FACTS = 64


def _names(prefix: str) -> Mapping[int, str]:
    """Constants of libvirt of one kind as words: ``FROM_SNAPSHOT`` is ``from-snapshot``."""
    return {
        value: name.removeprefix(prefix).lower().replace("_", "-")
        for name, value in vars(libvirt).items()
        if name.startswith(prefix) and isinstance(value, int) and not name.endswith("_LAST")
    }


_LIFECYCLE: Mapping[int, str] = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: "defined",
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_DOMAIN_EVENT_STARTED: "started",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "suspended",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "resumed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "stopped",
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: "pmsuspended",
    libvirt.VIR_DOMAIN_EVENT_CRASHED: "crashed",
}
_DETAILS = {
    number: _names(f"VIR_DOMAIN_EVENT_{word.upper()}_") for number, word in _LIFECYCLE.items()
}
_WATCHDOG = _names("VIR_DOMAIN_EVENT_WATCHDOG_")
_IO_ERROR = _names("VIR_DOMAIN_EVENT_IO_ERROR_")
_AGENT_STATE = _names("VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_")
_AGENT_REASON = _names("VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_")
_METADATA = {
    libvirt.VIR_DOMAIN_METADATA_DESCRIPTION: "description",
    libvirt.VIR_DOMAIN_METADATA_TITLE: "title",
    libvirt.VIR_DOMAIN_METADATA_ELEMENT: "element",
}
_MEMORY_RECIPIENT = _names("VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_")
_MEMORY_ACTION = _names("VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_")


def _word(names: Mapping[int, str], number: int) -> str:
    return names.get(number, f"unknown-{number}")


class Subscription:
    """Every event of a connection's guests, translated and given to a sink.

    Args:
        handle: the connection; a new one needs a new subscription.
        sink: called in libvirt's thread; quick, and it does not call libvirt.
    """

    def __init__(self, handle: libvirt.virConnect, sink: Sink) -> None:
        self._handle = handle
        self._sink = sink
        self._ids = [
            handle.domainEventRegisterAny(None, number, callback, None)
            for number, callback in (
                (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle),
                (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._reboot),
                (libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG, self._watchdog),
                (libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, self._io_error),
                (libvirt.VIR_DOMAIN_EVENT_ID_CONTROL_ERROR, self._control_error),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, self._device_added),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._device_removed),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, self._removal_failed),
                (libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE, self._tunable),
                (libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, self._agent),
                (libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, self._metadata),
                (libvirt.VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE, self._memory_failure),
            )
        ]

    def end(self) -> None:
        """Take every callback back, on a connection that may be lost."""
        for number in self._ids:
            try:
                self._handle.domainEventDeregisterAny(number)
            except libvirt.libvirtError:
                # The server is gone, and its half of the registration with it.
                continue

    def _tell(
        self,
        domain: libvirt.virDomain,
        kind: str,
        what: str = "",
        detail: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._sink(
            GuestEvent(
                guest=GuestId(domain.UUIDString()),
                name=domain.name(),
                kind=kind,
                at=time.time(),
                what=what,
                detail=detail,
                facts=_bounded(facts or {}),
            )
        )

    def _lifecycle(
        self, _c: object, domain: libvirt.virDomain, event: int, detail: int, _o: object
    ) -> None:
        what = _word(_LIFECYCLE, event)
        self._tell(domain, "lifecycle", what, _word(_DETAILS.get(event, {}), detail))

    def _reboot(self, _c: object, domain: libvirt.virDomain, _o: object) -> None:
        self._tell(domain, "reboot")

    def _watchdog(self, _c: object, domain: libvirt.virDomain, action: int, _o: object) -> None:
        self._tell(domain, "watchdog", _word(_WATCHDOG, action))

    def _io_error(
        self,
        _c: object,
        domain: libvirt.virDomain,
        path: str,
        alias: str,
        action: int,
        reason: str,
        _o: object,
    ) -> None:
        facts = {"path": path, "alias": alias}
        self._tell(domain, "io-error", _word(_IO_ERROR, action), _text(reason), facts)

    def _control_error(self, _c: object, domain: libvirt.virDomain, _o: object) -> None:
        self._tell(domain, "control-error")

    def _device_added(self, _c: object, domain: libvirt.virDomain, alias: str, _o: object) -> None:
        self._tell(domain, "device-added", facts={"alias": alias})

    def _device_removed(
        self, _c: object, domain: libvirt.virDomain, alias: str, _o: object
    ) -> None:
        self._tell(domain, "device-removed", facts={"alias": alias})

    def _removal_failed(
        self, _c: object, domain: libvirt.virDomain, alias: str, _o: object
    ) -> None:
        self._tell(domain, "device-removal-failed", facts={"alias": alias})

    def _tunable(
        self, _c: object, domain: libvirt.virDomain, changed: Mapping[str, Any], _o: object
    ) -> None:
        self._tell(domain, "tunable", facts=changed)

    def _agent(
        self, _c: object, domain: libvirt.virDomain, state: int, reason: int, _o: object
    ) -> None:
        self._tell(domain, "agent", _word(_AGENT_STATE, state), _word(_AGENT_REASON, reason))

    def _metadata(
        self, _c: object, domain: libvirt.virDomain, kind: int, namespace: str, _o: object
    ) -> None:
        facts = {"namespace": namespace} if namespace else {}
        self._tell(domain, "metadata", _word(_METADATA, kind), facts=facts)

    def _memory_failure(
        self,
        _c: object,
        domain: libvirt.virDomain,
        recipient: int,
        action: int,
        flags: int,
        _o: object,
    ) -> None:
        self._tell(
            domain,
            "memory-failure",
            _word(_MEMORY_ACTION, action),
            _word(_MEMORY_RECIPIENT, recipient),
            {"flags": flags},
        )


def _text(value: object) -> str:
    """What libvirt names, as text of bounded length; nothing is interpreted."""
    return "" if value is None else str(value)[:_LONGEST_TEXT]


def _bounded(facts: Mapping[str, Any]) -> Mapping[str, str | int]:
    """Facts of bounded size and number; numbers stay numbers.

    >>> _bounded({"alias": None, "blkdeviotune.write_bytes_sec": 7})
    {'alias': '', 'blkdeviotune.write_bytes_sec': 7}
    """
    return {
        _text(key): value if isinstance(value, int) else _text(value)
        for key, value in list(facts.items())[:_MOST_FACTS]
    }
