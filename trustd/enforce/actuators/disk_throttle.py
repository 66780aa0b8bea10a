"""``disk-throttle``: limits a disk's requests and bytes a second."""

from __future__ import annotations

from math import inf

import libvirt

from trustd.enforce.actuator import DeviceGone
from trustd.enforce.live import devices
from trustd.errors import Refused
from trustd.model import Guest, Setting

_AMONG = ("total", "read", "write")
_UNITS = ("bytes", "iops")
_NUMBERS = (
    *(
        f"{a}_{unit}_sec{end}"
        for unit in _UNITS
        for end in ("", "_max", "_max_length")
        for a in _AMONG
    ),
    "size_iops_sec",
)
_GROUP = "group_name"


class DiskThrottle:
    """The limits of one disk, in the words of libvirt's ``<iotune>``.

    The state holds what the live definition says and nothing that is implied:
    QEMU reports lengths of bursts and names of groups that nobody set, and sending
    those back would write them into the definition. A limit that is not there is
    no limit. A device is known by its target (``vda``).
    """

    name = "disk-throttle"

    def probe(self, domain: libvirt.virDomain) -> str:  # noqa: ARG002 - every emulator can
        """Every host can: QEMU itself throttles."""
        return ""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """The limits in the definition."""
        for disk in devices(domain, "disk", config=config):
            target = disk.find("target")
            if target is not None and target.get("dev") == device:
                tune = disk.find("iotune")
                given = {} if tune is None else {each.tag: each.text or "" for each in tune}
                return {key: text if key == _GROUP else int(text) for key, text in given.items()}
        raise DeviceGone(f"the guest has no disk {device}")

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:
        """The tighter of each limit, in terms that libvirt takes together.

        A kind of limit (bytes, requests) that changes loses its bursts, which would
        let a guest exceed the new limit. A disk that shares its limits with others
        leaves them, so that those are not narrowed too.

        >>> lever = DiskThrottle()
        >>> lever.tightened({"total_bytes_sec": 1000}, {"write_bytes_sec": 100}, "vda")
        {'read_bytes_sec': 900, 'write_bytes_sec': 100}
        >>> lever.tightened({"write_bytes_sec": 50}, {"write_bytes_sec": 100}, "vda")
        {'write_bytes_sec': 50}
        """
        state: dict[str, int | str | bool] = {}
        for unit in _UNITS:
            before = _limits(prior, unit)
            after = _compatible(
                *(min(a, b) for a, b in zip(before, _limits(wanted, unit), strict=True))
            )
            if after == before:
                state |= {key: value for key, value in prior.items() if self.facet(key) == unit}
            else:
                state |= {
                    f"{among}_{unit}_sec": int(limit)
                    for among, limit in zip(_AMONG, after, strict=True)
                    if limit < inf
                }
                if unit == "iops" and "size_iops_sec" in prior:
                    state["size_iops_sec"] = prior["size_iops_sec"]
        if _GROUP in prior:
            state[_GROUP] = prior[_GROUP] if state == _without_group(prior) else f"trustd-{device}"
        return state

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether more may be read, written or both together.

        >>> DiskThrottle().loosens({"total_iops_sec": 9}, {"read_iops_sec": 4, "write_iops_sec": 5})
        False
        """
        return any(
            new > old
            for unit in _UNITS
            for old, new in zip(_reach(before, unit), _reach(after, unit), strict=True)
        )

    def facet(self, key: str) -> str:
        """Limits of one kind depend on one another: ``bytes``, ``iops``; and the group."""
        return key if key == _GROUP else "bytes" if "_bytes_" in key else "iops"

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:  # noqa: ARG002
        """The same: a limit moves no device."""
        return guest

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Send every limit at once, since one that is left out would be reset."""
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE
        domain.setBlockIoTune(device, dict.fromkeys(_NUMBERS, 0) | dict(state), live)
        told = domain.blockIoTune(device, live)
        wrong = [key for key, value in state.items() if told.get(key) != value]
        if wrong:
            raise Refused(f"QEMU did not take {', '.join(wrong)} for {device}")


def _limits(state: Setting, unit: str) -> tuple[float, ...]:
    """The limits on total, read and write of one unit; infinite where there is none."""
    return tuple(int(state.get(f"{among}_{unit}_sec", 0)) or inf for among in _AMONG)


def _reach(state: Setting, unit: str) -> tuple[float, ...]:
    """What can be read, written, and both together."""
    total, read, write = _limits(state, unit)
    return min(total, read), min(total, write), min(total, read + write)


def _compatible(total: float, read: float, write: float) -> tuple[float, ...]:
    """Limits that say the same or less, with a total or its parts but not both.

    >>> _compatible(10, inf, 4), _compatible(10, 20, inf), _compatible(10, 7, 5)
    ((inf, 6, 4), (10, inf, inf), (inf, 5, 5))
    """
    read = inf if read >= total else read
    write = inf if write >= total else write
    if total == inf or read == write == inf:
        return total, read, write
    if write == inf:
        return inf, read, total - read
    return inf, min(read, total - write), write


def _without_group(state: Setting) -> Setting:
    return {key: value for key, value in state.items() if key != _GROUP}
