"""What the tests share: a ledger in memory, and everything that libvirt says of a guest."""

from dataclasses import dataclass, field
from typing import Any

import libvirt

from tests.lab.guest import Guest
from tests.lab.waiting import wait_until
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
        # libvirt writes down that the guest has opened it, maybe after the guest has answered
        wait_until(lambda: "state='connected'" in domain.XMLDesc(0), "a channel", seconds=60)
        # these wait for whatever libvirt does to the guest, such as finding it after a restart
        disks = {
            guest.spec.disk_name(index): domain.blockIoTune(guest.spec.disk_name(index), live)
            for index in range(len(guest.spec.disks))
        }
        return disks | {
            "live": domain.XMLDesc(0),
            "persistent": domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE),
            "cpu": domain.schedulerParametersFlags(live),
            "blkio": domain.blkioParameters(live),
            "memory": domain.memoryParameters(live),
        }


def feels_link(guest: Guest, *, up: bool) -> None:
    """Wait until the guest's kernel has taken in whether its first interface has a carrier."""
    wait_until(lambda: guest.counters().carrier is up, f"carrier {up}", seconds=60)


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
