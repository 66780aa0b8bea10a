"""Evidence from outside about a real guest: narrowed with the next tick, by what the host knows."""

from __future__ import annotations

import json

import pytest

from tests.e2e.test_line import done, settled
from tests.lab.daemon import Daemon

pytestmark = pytest.mark.lab

CALLERS = {"callers": [{"name": "sensor", "user": 0, "dialects": ["evidence"]}]}
SOURCES = "\nsources:\n  sensor: {families: [intrusion], severity: critical}\n"
LEASE = "192.168.122.221"
HELPER = "/usr/lib/libvirt/libvirt_leaseshelper"
"""What dnsmasq calls for every lease that it gives."""
AGAIN = 2.5
"""Seconds within which what is said is done, where a tick takes one."""


def said(daemon, guest, *options):
    """What ``trustctl evidence add`` answers."""
    told = daemon.trustctl(
        *("evidence", "add", guest, "exploit", "--family", "intrusion"), *options, "-o", "json"
    )
    (receipt,) = json.loads(told)["reports"]
    return receipt


def test_report_on_a_real_guest_narrows_it(host, trio, policy):
    """Reported by the address that it leases, a guest's disk is throttled within its next tick;
    withdrawn, the finding ends; nobody else is touched."""
    name, other = trio[0].name, trio[1].name
    with Daemon(host, policy + SOURCES, decisions=CALLERS) as daemon:
        for each in (name, other):
            daemon.wait_guest(each, settled, "is trusted", seconds=60)
        mac = daemon.guest(name)["nics"][0]["mac"]
        lease = ("env", "DNSMASQ_INTERFACE=virbr0", "DNSMASQ_LEASE_EXPIRES=4000000000", HELPER)
        host.run(*lease, "add", mac, LEASE, name)
        receipt = said(daemon, f"ip:{LEASE}", "--severity", "critical")
        assert (receipt["name"], receipt["counts"]) == (name, "new")
        daemon.wait_guest(name, lambda now: done(now, "disk-throttle"), "is narrowed")
        now = daemon.guest(name)
        (found,) = now["findings"]
        (throttled,) = [each for each in now["actions"] if each["lever"] == "disk-throttle"]
        assert found["source"] == "sensor"
        assert throttled["at"] - found["at"] < AGAIN
        assert "sensor:exploit" in daemon.trustctl("explain", name)
        assert not daemon.guest(other)["restricted"]
        assert said(daemon, f"mac:{mac}", "--state", "resolved")["counts"] == "resolved"
        daemon.wait_guest(name, lambda now: not now["findings"], "has nothing open")
