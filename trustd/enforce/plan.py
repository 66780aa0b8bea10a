"""From what a guest may do to the states that its devices should be in: a pure function."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from trustd.enforce.meanwhile import meanwhile
from trustd.enforce.needless import without_needless
from trustd.enforce.remedies import remedy
from trustd.enforce.translate import Measure, translated
from trustd.model import Access, Action, EffectivePermissions, Guest


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
    wanted += [held for action in wanted for held in meanwhile(guest, action, levers)]
    merged: dict[tuple[str, str], Action] = {}
    for action in wanted:
        place = (action.lever, action.device)
        merged[place] = _merged(merged[place], action) if place in merged else action
    needed = without_needless(merged)
    return tuple(sorted(needed, key=lambda each: (each.lever, each.device)))


def _of_permissions(
    guest: Guest, permissions: EffectivePermissions, levers: Collection[str]
) -> Iterator[Action]:
    for access in sorted(permissions.access, key=lambda each: (each.object.type, each.object.id)):
        for lost in sorted(access.lost):
            kind = access.object.type
            because = f"{permissions.band}: {lost} on {kind} {access.object.id} is lost"
            for device in _devices(guest, access, lost):
                how = remedy(guest, device, kind, lost, levers)
                if how is not None:
                    yield Action(guest.id, how.lever, device, how.setting, because, how.weaker)


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
        wanted = translated(guest, measure)
        for device in wanted.devices:
            yield Action(
                guest.id, wanted.lever, device, wanted.setting, f"{band}: enforce {measure['do']}"
            )


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
