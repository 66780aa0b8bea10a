"""From what a guest may do to the states that its devices should be in: a pure function."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from trustd.model import Access, Action, EffectivePermissions, Guest, Setting

Measure = Mapping[str, object]
"""One entry of a policy's ``enforce:``: ``do``, and that measure's own numbers."""

_FLOOR_BYTES = 4096
_FLOOR_IOPS = 1


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to make a permission untrue.

    Args:
        lever: the actuator that does it.
        setting: the state that it should bring about.
        weaker: the lever that would do it exactly, and in what this one differs;
            empty where this one is exact.
    """

    lever: str
    setting: Setting
    weaker: str = ""


_DOWN = {"link": "down"}

REMEDIES: Mapping[tuple[str, str], tuple[Remedy, ...]] = {
    ("volume", "write"): (
        Remedy(
            "disk-throttle",
            {"write_bytes_sec": _FLOOR_BYTES, "write_iops_sec": _FLOOR_IOPS},
            "disk-gate (a floor rate remains)",
        ),
    ),
    ("volume", "read"): (
        Remedy(
            "disk-throttle",
            {"read_bytes_sec": _FLOOR_BYTES, "read_iops_sec": _FLOOR_IOPS},
            "disk-gate (a floor rate remains)",
        ),
    ),
    ("network", "send"): (Remedy("nic-link", _DOWN, "nic-filter (receiving ends too)"),),
    ("network", "receive"): (Remedy("nic-link", _DOWN, "nic-filter (sending ends too)"),),
    ("network", "connect"): (Remedy("nic-link", _DOWN),),
    ("network", "attach"): (
        Remedy("nic-link", _DOWN, "unplug (the interface stays, without a carrier)"),
    ),
    ("device", "attach"): (Remedy("unplug", {}),),
}
"""What makes each lost permission untrue, the exact way first.

Permissions that are not here (``list``, ``snapshot``, ``flush`` ...) are not a
device's: they hold in the answers that trustd gives, and nowhere else.
"""


def plan(
    guest: Guest,
    permissions: EffectivePermissions,
    measures: Iterable[Measure] = (),
    *,
    levers: Collection[str] = ("cpu-quota", "disk-throttle", "nic-link"),
) -> tuple[Action, ...]:
    """Every state that the guest's devices should be in, one a lever and device.

    Where several reasons ask for one device, each limit is the tightest of them.
    Where no lever on this host can do it, the exact one is asked for all the same,
    so that it comes back refused and nothing is left out in silence.

    Args:
        permissions: held and lost on the objects that the guest has.
        measures: of its band, those that stand as long as it is there.
        levers: what this host has.
    """
    wanted = [
        *_of_permissions(guest, permissions, levers),
        *_of_measures(guest, permissions.band, measures),
    ]
    merged: dict[tuple[str, str], Action] = {}
    for action in wanted:
        place = (action.lever, action.device)
        merged[place] = _merged(merged[place], action) if place in merged else action
    return tuple(merged[place] for place in sorted(merged))


def _of_permissions(
    guest: Guest, permissions: EffectivePermissions, levers: Collection[str]
) -> Iterator[Action]:
    for access in sorted(permissions.access, key=lambda each: (each.object.type, each.object.id)):
        for lost in sorted(access.lost):
            remedies = REMEDIES.get((access.object.type, lost), ())
            able = [each for each in remedies if each.lever in levers]
            for remedy in (able or remedies)[:1]:
                because = (
                    f"{permissions.band}: {lost} on {access.object.type} {access.object.id} is lost"
                )
                for device in _devices(guest, access, lost):
                    yield Action(
                        guest.id, remedy.lever, device, remedy.setting, because, remedy.weaker
                    )


def _devices(guest: Guest, access: Access, lost: str) -> list[str]:
    """The guest's devices through which it reaches an object, in its lever's terms."""
    match access.object.type:
        case "volume":
            return [
                disk.target
                for disk in guest.disks
                if disk.identity == access.object.id and not (lost == "write" and disk.readonly)
            ]
        case "network":
            return [nic.mac for nic in guest.nics if nic.network == access.object.id]
        case _:
            return [
                each.identity for each in guest.host_devices if each.identity == access.object.id
            ]


def _of_measures(guest: Guest, band: str, measures: Iterable[Measure]) -> Iterator[Action]:
    for measure in measures:
        do = str(measure["do"])
        lever, devices, setting = _TRANSLATIONS.get(do, _unknown)(guest, measure)
        for device in devices:
            yield Action(guest.id, lever, device, setting, f"{band}: enforce {do}")


_Translated = tuple[str, list[str], Setting]


def _throttle(guest: Guest, measure: Measure) -> _Translated:
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
    return "disk-throttle", [disk.target for disk in guest.disks if disk.identity], setting


def _cpu(_: Guest, measure: Measure) -> _Translated:
    return "cpu-quota", [""], {"percent": max(1, int(float(str(measure["percent"]))))}


def _link(guest: Guest, _: Measure) -> _Translated:
    return "nic-link", [nic.mac for nic in guest.nics], _DOWN


def _unknown(_: Guest, measure: Measure) -> _Translated:
    setting = {
        key: value if isinstance(value, int | str) else str(value)
        for key, value in measure.items()
        if key != "do"
    }
    return str(measure["do"]), [""], setting


_TRANSLATIONS: Mapping[str, Callable[[Guest, Measure], _Translated]] = {
    "throttle": _throttle,
    "cpu-quota": _cpu,
    "nic-link": _link,
}


def _merged(one: Action, other: Action) -> Action:
    """Both reasons, and the tighter of each limit."""
    setting = dict(one.setting)
    for key, value in other.setting.items():
        mine = setting.get(key, value)
        setting[key] = (
            min(mine, value) if isinstance(mine, int) and isinstance(value, int) else value
        )
    return Action(
        one.guest,
        one.lever,
        one.device,
        setting,
        _joined(one.because, other.because),
        # what one reason needs exactly, the other may have for the asking
        _joined(one.weaker, other.weaker),
    )


def _joined(one: str, other: str) -> str:
    parts = dict.fromkeys(part for text in (one, other) for part in text.split("; ") if part)
    return "; ".join(parts)
