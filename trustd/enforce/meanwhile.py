"""What holds a device that is to leave its guest, until it has left: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from trustd.enforce.remedies import remedy
from trustd.model import Action, Guest, system_disk


def meanwhile(guest: Guest, action: Action, levers: Collection[str]) -> Iterator[Action]:
    """The actions that make a device useless without asking the guest.

    A guest is asked to let go of a device, and may refuse or take its time. So its
    interface has no carrier, and its disk is shut or throttled, from the first moment
    and for as long as it is there. The disk that the guest runs from is left alone:
    it is not unplugged either.

    Args:
        levers: what this host has.
    """
    if action.lever != "unplug":
        return
    device = action.device
    if any(nic.mac == device for nic in guest.nics):
        lost = [("network", "connect")]
    elif any(disk.target == device for disk in guest.disks) and device != system_disk(guest.disks):
        lost = [("volume", "read"), ("volume", "write")]
    else:
        return
    for kind, word in lost:
        how = remedy(guest, device, kind, word, levers)
        if how is not None and how.lever in levers:
            because = f"{action.because}; until it is unplugged"
            yield Action(guest.id, how.lever, device, how.setting, because)
