"""What libvirt says of a running guest, read without asking its emulator."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element

import libvirt
from defusedxml import ElementTree

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def definition(domain: libvirt.virDomain, *, config: bool = False) -> Element:
    """The guest's live definition, or the persistent one that its next run has."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE if config else 0
    root: Element = ElementTree.fromstring(domain.XMLDesc(flags))
    return root


def devices(domain: libvirt.virDomain, tag: str, *, config: bool = False) -> Iterator[Element]:
    """The guest's devices of one kind, ``disk`` or ``interface``."""
    yield from definition(domain, config=config).iterfind(f"devices/{tag}")


def run_of(domain: libvirt.virDomain) -> str:
    """Which run of the guest this is; empty where it does not run.

    libvirt numbers the runs of all guests of a host, and begins anew with the host.
    """
    number = domain.ID()
    return f"{_boot()}/{number}" if number >= 0 else ""


@cache
def _boot() -> str:
    return _BOOT_ID.read_text("ascii").strip()
