"""What the tests share: a ledger in memory, and everything that libvirt says of a guest."""

from dataclasses import dataclass, field
from typing import Any

import libvirt

from tests.lab.guest import Guest
from trustd.enforce import Desired, Enforcer
from trustd.errors import StoreError
from trustd.model import Action, GuestId, Intent, Mode, Outcome, Place, Setting


@dataclass
class MemoryLedger:
    """Keeps intents for one test; while ``broken`` nothing can be written."""

    kept: dict[Place, Intent] = field(default_factory=dict)
    broken: bool = False

    def record(self, intent: Intent) -> None:
        self._write()
        self.kept[intent.place] = intent

    def forget(self, guest: GuestId, lever: str, device: str) -> None:
        self._write()
        self.kept.pop((guest, lever, device), None)

    def intents(self) -> list[Intent]:
        return list(self.kept.values())

    def _write(self) -> None:
        if self.broken:
            raise StoreError("the disk is full")


def everything(guest: Guest) -> dict[str, Any]:
    """The live and persistent XML, byte for byte, and every tunable that libvirt reports."""
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    with guest.domain() as domain:
        return {
            "live": domain.XMLDesc(0),
            "persistent": domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE),
            "cpu": domain.schedulerParametersFlags(live),
            "blkio": domain.blkioParameters(live),
            "memory": domain.memoryParameters(live),
        } | {
            guest.spec.disk_name(index): domain.blockIoTune(guest.spec.disk_name(index), live)
            for index in range(len(guest.spec.disks))
        }


def action(guest: Guest, lever: str, setting: Setting, device: str | None = None) -> Action:
    """An action on the guest's first device of the lever."""
    first = {"disk-throttle": "vda", "nic-link": guest.spec.mac(0)}.get(lever, "")
    return Action(
        GuestId(guest.uuid), lever, first if device is None else device, setting, "a test"
    )


def enforced(*actions: Action) -> Desired:
    return Desired(actions, Mode.ENFORCE)


def reconciled(enforcer: Enforcer, guest: Guest, *actions: Action) -> tuple[Outcome, ...]:
    """What becomes of a guest's actions in one tick."""
    identity = GuestId(guest.uuid)
    return enforcer.reconcile({identity: enforced(*actions)}, at=1.0)[identity]


def statuses(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [str(each.status) for each in outcomes]
