"""Raw telemetry under the names of libvirt's exporter, as a page of that exporter has it.

``exporter.txt`` is what Debian's prometheus-libvirt-exporter 0.2.0-1+b12 served of a hypervisor
with two guests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.api.fleets import FEATURES, assessed, fleet, guest_id
from trustd.metrics import Exposition, Meters, RawSeries
from trustd.model import Disk, GuestReading, GuestState, Nic, Reading, Stats

THEIRS = (Path(__file__).parent / "exporter.txt").read_text("utf-8")
NAME = 'x"\n\x1b[2J\u202e'
ONE = guest_id(1)
GUEST = f'domain="web-1",uuid="{ONE}"'
DISK = 'source_file="/images/web.qcow2",target_device="vda"'
NIC = 'source_bridge="virbr0",target_device="vnet0"'
STATS: Stats = {
    "state.state": 1,
    "cpu.time": 4_410_000_000,
    "balloon.current": 98304,
    "balloon.maximum": 98304,
    "vcpu.current": 1,
    "net.count": 1,
    "net.0.name": "vnet0",
    **{f"net.0.{way}.{what}": 7 for way in ("rx", "tx") for what in ("bytes", "pkts", "errs")},
    "net.0.rx.drop": 7,
    "net.0.tx.drop": 7,
    "block.count": 2,
    "block.0.name": "vda",
    "block.0.path": "/images/web.qcow2",
    "block.0.rd.bytes": 2**60 + 1,
    "block.0.rd.reqs": 2,
    "block.0.wr.bytes": 31_522_816,
    "block.0.wr.reqs": 481,
    "block.1.name": "vda",
    "block.1.path": "/images/base.qcow2",
    "block.1.rd.bytes": 9,
}


def page(
    stats: Stats = STATS, *, devices: bool = True, name: str = "web-1", error: str = ""
) -> str:
    """The raw part of a page of one guest."""
    guest = assessed(name)
    known = replace(
        guest.guest,
        disks=(Disk("vda", "/images/web.qcow2"),),
        nics=(Nic("52:54:00:00:00:01", "default", "vnet0", bridge="virbr0"),),
    )
    read = GuestReading(ONE, GuestState.RUNNING, 1.0, 1.0, stats)
    reading = Reading(1.0, 1.0, {} if error else {ONE: read}, error)
    made = Exposition(FEATURES, RawSeries(devices=devices))
    shown = made.render(fleet(replace(guest, guest=known)), Meters("1.2.3"), reading)
    text = shown.plain.decode()
    return text[text.index("# HELP libvirt_up") :]


def series(text: str) -> Mapping[tuple[str, frozenset[str]], str]:
    """Every kind of series: its name and the names of its labels, and its type."""
    return {
        (sample.name, frozenset(sample.labels)): family.type
        for family in parsed(text)
        for sample in family.samples
    }


def test_names_labels_and_types_are_the_exporters() -> None:
    """Each metric that the exporter has, with its labels and its type, and no other."""
    assert series(page()) == series(THEIRS)


def test_devices_have_series_only_where_they_are_asked_for() -> None:
    """Without the setting, a guest has its own five metrics and no device any."""
    names = {name for name, _ in series(page(devices=False))}
    assert names == {name for name, _ in series(THEIRS) if not re.search("block|interface", name)}
    assert "\nlibvirt_" not in Exposition(FEATURES).render(fleet(), Meters("1")).plain.decode()


def test_numbers_are_libvirts_in_base_units() -> None:
    """Seconds of nanoseconds, bytes of KiB, and counters to the last digit."""
    text = page()
    for line in (
        f'libvirt_domain_info_cpu_time_seconds_total{{domain="web-1",uuid="{ONE}"}} 4.41',
        f'libvirt_domain_info_memory_usage_bytes{{domain="web-1",uuid="{ONE}"}} 100663296',
        f"libvirt_domain_block_stats_read_bytes_total{{{GUEST},{DISK}}} {2**60 + 1}",
        f"libvirt_domain_interface_stats_receive_drops_total{{{GUEST},{NIC}}} 7",
        "libvirt_up 1",
        "libvirt_domains_number 1",
    ):
        assert f"\n{line}\n" in text, line
    assert text.count('target_device="vda"') == 4, "a layer below a disk is no disk"


def test_unknown_is_no_series() -> None:
    """What libvirt does not report is not 0, and a hypervisor that is away has no guest's
    numbers."""
    without = {key: value for key, value in STATS.items() if not key.startswith("balloon")}
    assert not [
        line for line in page(without).splitlines() if line.startswith("libvirt_domain_info_m")
    ]
    away = page(error="it is gone")
    assert "\nlibvirt_up 0\n" in away
    assert "uuid=" not in away


@pytest.mark.parametrize("devices", [True, False])
def test_hostile_names_are_one_harmless_label(devices: bool) -> None:
    """A name with quotes, line breaks and escapes neither ends its line nor reaches a terminal."""
    hostile = {**STATS, "block.0.path": NAME, "net.0.name": NAME}
    text = page(hostile, devices=devices, name=NAME)
    assert all(line.startswith(("libvirt_", "# ")) for line in text.splitlines())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(series(text)) > 3
