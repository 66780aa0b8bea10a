"""Everything of a running guest that a lever can change, as one text to compare."""

import json
import re
from typing import Any

import libvirt

from tests.lab.guest import Guest

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_PORT = re.compile(r" portid='[0-9a-f-]{36}'")
"""The identity of a network's port, which libvirt draws anew when the interface is changed."""


def live_state(guest: Guest) -> str:
    """The live and the persistent definition and every tunable, read from libvirt."""
    with guest.domain() as domain:
        parts: dict[str, Any] = {
            "scheduler": domain.schedulerParametersFlags(LIVE),
            "blkio": domain.blkioParameters(LIVE),
            "memory": domain.memoryParameters(LIVE),
        }
        for index in range(len(guest.spec.disks)):
            target = f"vd{chr(ord('a') + index)}"
            parts[f"iotune {target}"] = domain.blockIoTune(target, LIVE)
        tunables = json.dumps(parts, indent=1, sort_keys=True)
        inactive = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        return f"{_PORT.sub('', domain.XMLDesc(0))}\n{inactive}\n{tunables}"
