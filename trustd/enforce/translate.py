"""What a measure of the policy asks of a guest's devices, in its lever's words: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from trustd.model import Guest, Setting

Measure = Mapping[str, object]
"""One entry of a policy's ``enforce:``: ``do``, and that measure's own numbers."""

_DOWN = {"link": "down"}


class Translated(NamedTuple):
    """A measure as states of devices: the same state for each."""

    lever: str
    devices: list[str]
    setting: Setting


def translated(guest: Guest, measure: Measure) -> Translated:
    """The states that a measure asks for.

    One that no lever of this version carries out keeps its name and its numbers, so
    that it comes back refused.

    >>> from trustd.model import GuestId
    >>> translated(Guest(GuestId("a"), "a"), {"do": "cpu-quota", "percent": 20.0})
    Translated(lever='cpu-quota', devices=[''], setting={'percent': 20})
    """
    return _TRANSLATIONS.get(str(measure["do"]), _unknown)(guest, measure)


_THROTTLE = "disk-throttle"


def lever_of(measure: str) -> str:
    """The lever that carries out a measure.

    >>> lever_of("throttle"), lever_of("pause")
    ('disk-throttle', 'pause')
    """
    return _THROTTLE if measure == "throttle" else measure


def _throttle(guest: Guest, measure: Measure) -> Translated:
    setting = {
        f"{among}_{unit}_sec": max(1, int(float(str(value))))
        for unit in ("bytes", "iops")
        for among, name in (
            ("total", f"disk_{unit}"),
            ("read", f"disk_read_{unit}"),
            ("write", f"disk_write_{unit}"),
        )
        if (value := measure.get(name)) is not None
    }
    return Translated(_THROTTLE, [disk.target for disk in guest.disks if disk.identity], setting)


def _cpu(_: Guest, measure: Measure) -> Translated:
    return Translated("cpu-quota", [""], {"percent": max(1, int(float(str(measure["percent"]))))})


def _link(guest: Guest, _: Measure) -> Translated:
    return Translated("nic-link", [nic.mac for nic in guest.nics], _DOWN)


def _unplug(guest: Guest, measure: Measure) -> Translated:
    devices = {
        "volume": [disk.target for disk in guest.disks if disk.identity],
        "network": [nic.mac for nic in guest.nics],
        "device": [device.identity for device in guest.host_devices],
    }[str(measure["type"])]
    setting = {"attached": False} | ({"or_pause": True} if measure.get("or_pause") else {})
    return Translated("unplug", devices, setting)


def _gate(guest: Guest, measure: Measure) -> Translated:
    what = ("read", "write") if measure["deny"] == "all" else (str(measure["deny"]),)
    # one that is not behind a gate is asked for too, and comes back as not done
    return Translated(
        "disk-gate",
        [disk.target for disk in guest.disks if disk.identity],
        {f"deny_{each}": True for each in what},
    )


def _pause(_: Guest, __: Measure) -> Translated:
    return Translated("pause", [""], {"paused": True})


def _bandwidth(guest: Guest, measure: Measure) -> Translated:
    setting = {
        f"{way}_bytes_sec": max(1, int(float(str(value))))
        for way in ("receive", "send")
        if (value := measure.get(way)) is not None
    }
    return Translated("nic-bandwidth", [nic.mac for nic in guest.nics], setting)


def _filter(guest: Guest, measure: Measure) -> Translated:
    return Translated(
        "nic-filter", [nic.mac for nic in guest.nics], {"filter": str(measure["filter"])}
    )


def _isolation(guest: Guest, _: Measure) -> Translated:
    return Translated("isolate-port", [nic.mac for nic in guest.nics], {"isolated": "yes"})


def _quarantine(guest: Guest, measure: Measure) -> Translated:
    network = {"network": str(measure["network"])}
    return Translated("quarantine", [nic.mac for nic in guest.nics], network)


def _unknown(_: Guest, measure: Measure) -> Translated:
    setting = {
        key: value if isinstance(value, int | str) else str(value)
        for key, value in measure.items()
        if key != "do"
    }
    return Translated(str(measure["do"]), [""], setting)


_TRANSLATIONS: Mapping[str, Callable[[Guest, Measure], Translated]] = {
    "throttle": _throttle,
    "cpu-quota": _cpu,
    "disk-gate": _gate,
    "isolate-port": _isolation,
    "nic-bandwidth": _bandwidth,
    "nic-filter": _filter,
    "nic-link": _link,
    "quarantine": _quarantine,
    "unplug": _unplug,
    "pause": _pause,
}
