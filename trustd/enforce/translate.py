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
    return Translated(
        "disk-throttle", [disk.target for disk in guest.disks if disk.identity], setting
    )


def _cpu(_: Guest, measure: Measure) -> Translated:
    return Translated("cpu-quota", [""], {"percent": max(1, int(float(str(measure["percent"]))))})


def _link(guest: Guest, _: Measure) -> Translated:
    return Translated("nic-link", [nic.mac for nic in guest.nics], _DOWN)


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
    "nic-link": _link,
}
