"""Raw telemetry under the names that libvirt's exporters gave it.

Names, labels and units are those of Debian's prometheus-libvirt-exporter, so that
dashboards and rules made for it go on working; the numbers are those of the same
reading that the tick was made of. What libvirt did not report has no series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from trustd.metrics.blocks import blocks
from trustd.metrics.text import label_value
from trustd.model import Assessment, Disk, Fleet, GuestId, GuestState, Nic, Reading, Stats

_KIB = 1024
_NANO = 1e-9
_LONGEST_PATH = 512
_OFF = frozenset({GuestState.SHUTOFF, GuestState.UNKNOWN})
"""States in which the exporter does not show a guest."""


@dataclass(frozen=True, slots=True)
class RawFamily:
    """One metric of the exporter.

    Args:
        field: libvirt's name of the number; of a device its part after the device.
        factor: from libvirt's unit to the metric's.
    """

    name: str
    help: str
    field: str
    factor: float = 1

    @property
    def head(self) -> str:
        """The two comment lines before its series."""
        kind = "counter" if self.name.endswith("_total") else "gauge"
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {kind}\n"


UP = RawFamily("libvirt_up", "Whether libvirt answered in the last tick.", "")
NUMBER = RawFamily("libvirt_domains_number", "Guests that are defined or run.", "")
GUESTS = (
    RawFamily("libvirt_domain_state_code", "State of the domain, libvirt's code.", "state.state"),
    RawFamily(
        "libvirt_domain_info_cpu_time_seconds_total",
        "Processor time that the domain used.",
        "cpu.time",
        _NANO,
    ),
    RawFamily(
        "libvirt_domain_info_maximum_memory_bytes",
        "Memory that the domain may have at most.",
        "balloon.maximum",
        _KIB,
    ),
    RawFamily(
        "libvirt_domain_info_memory_usage_bytes",
        "Memory that the domain has.",
        "balloon.current",
        _KIB,
    ),
    RawFamily("libvirt_domain_info_virtual_cpus", "Virtual processors.", "vcpu.current"),
)
BLOCKS = tuple(
    RawFamily(f"libvirt_domain_block_stats_{name}_total", f"{text} of a disk.", field)
    for name, text, field in (
        ("read_bytes", "Bytes read", "rd.bytes"),
        ("read_requests", "Read requests", "rd.reqs"),
        ("write_bytes", "Bytes written", "wr.bytes"),
        ("write_requests", "Write requests", "wr.reqs"),
    )
)
INTERFACES = tuple(
    RawFamily(
        f"libvirt_domain_interface_stats_{name}_{what}_total",
        f"{text} {way} on a network interface.",
        f"{side}.{field}",
    )
    for name, side, way in (("receive", "rx", "received"), ("transmit", "tx", "transmitted"))
    for what, text, field in (
        ("bytes", "Bytes", "bytes"),
        ("packets", "Packets", "pkts"),
        ("errors", "Errors of what was", "errs"),
        ("drops", "Drops of what was", "drop"),
    )
)
FAMILIES = (UP, NUMBER, *GUESTS, *BLOCKS, *INTERFACES)

_Row = tuple[str, Stats]
"""The text of some labels, and the numbers of the guest that they stand for."""


class RawSeries:
    """Writes them; belongs to one thread.

    Args:
        devices: whether disks and interfaces have series of their own.
    """

    def __init__(self, *, devices: bool) -> None:
        self._devices = devices

    def chunks(self, fleet: Fleet, reading: Reading) -> Iterator[bytes]:
        """The page's part about the raw telemetry, each metric in pieces."""
        yield f"{UP.head}{UP.name} {0 if reading.error else 1}\n".encode()
        yield f"{NUMBER.head}{NUMBER.name} {len(fleet.guests)}\n".encode()
        rows = list(_rows(fleet.guests, reading))
        named = [(f"{{{labels}}} ", stats) for _, labels, stats in rows]
        for family in GUESTS:
            yield from _series(family, [(labels, stats, family.field) for labels, stats in named])
        if not self._devices:
            return
        for families, kind in ((BLOCKS, "block"), (INTERFACES, "net")):
            found = [
                (text, stats, prefix)
                for guest, labels, stats in rows
                for text, prefix in _devices_of(kind, guest, labels, stats)
            ]
            for family in families:
                yield from _series(
                    family,
                    [(text, stats, f"{prefix}.{family.field}") for text, stats, prefix in found],
                )


def _rows(
    guests: Mapping[GuestId, Assessment], reading: Reading
) -> Iterator[tuple[Assessment, str, Stats]]:
    """Guests that run, with the text of their labels and their numbers."""
    for id_, read in reading.guests.items():
        guest = guests.get(id_)
        if guest is not None and read.state not in _OFF:
            name = label_value(guest.guest.name)
            yield guest, f'domain="{name}",uuid="{label_value(id_)}"', read.stats


def _devices_of(
    kind: str, guest: Assessment, labels: str, stats: Stats
) -> Iterator[tuple[str, str]]:
    """The text of the labels of each device, and where its numbers are."""
    count = stats.get(f"{kind}.count", 0)
    seen: set[str] = set()
    for place in range(count if isinstance(count, int) else 0):
        prefix = f"{kind}.{place}"
        target = str(stats.get(f"{prefix}.name", ""))
        # layers below a disk carry its name too; the first is the disk
        if not target or target in seen:
            continue
        seen.add(target)
        behind = _behind(kind, target, guest, stats.get(f"{prefix}.path"))
        yield f'{{{labels},{behind},target_device="{label_value(target)}"}} ', prefix


def _behind(kind: str, target: str, guest: Assessment, path: object) -> str:
    """What the device is attached to, as a label."""
    if kind == "net":
        nics: Sequence[Nic] = guest.guest.nics
        bridge = next((nic.bridge or nic.network for nic in nics if nic.tap == target), "")
        return f'source_bridge="{label_value(bridge)}"'
    disks: Sequence[Disk] = guest.guest.disks
    known = next((disk.identity for disk in disks if disk.target == target), "")
    return f'source_file="{label_value(str(path or known), _LONGEST_PATH)}"'


def _series(family: RawFamily, rows: Sequence[tuple[str, Stats, str]]) -> Iterator[bytes]:
    """One metric; nothing of it where libvirt does not say."""
    name, factor = family.name, family.factor
    yield family.head.encode()
    for some in blocks(rows):
        lines = []
        for labels, stats, field in some:
            value = stats.get(field)
            if isinstance(value, int | float) and isfinite(value):
                lines.append(f"{name}{labels}{_number(value, factor)}\n")
        yield "".join(lines).encode()


def _number(value: float, factor: float) -> str:
    """A number whole where it is: a counter of bytes must not lose its last digits.

    >>> _number(31_522_816, 1), _number(4_410_000_000, 1e-9), _number(98304, 1024)
    ('31522816', '4.41', '100663296')
    """
    return str(int(value) * int(factor)) if factor >= 1 else f"{value * factor:.12g}"
