"""Evidence from outside about a real guest: narrowed with the next tick, by what the host knows."""

from __future__ import annotations

import json

import pytest

from tests.e2e.line import acted, done, settled, tick, ticks
from tests.lab.daemon import Daemon

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

CALLERS = {"callers": [{"name": "sensor", "user": 0, "dialects": ["evidence"]}]}
SOURCES = "\nsources:\n  sensor: {families: [intrusion], severity: critical}\n"
LEASE = "192.168.122.221"
HELPER = "/usr/lib/libvirt/libvirt_leaseshelper"
"""What dnsmasq calls for every lease that it gives."""


def said(daemon, guest, *options):
    """What ``trustctl evidence add`` answers."""
    told = daemon.trustctl(
        *("evidence", "add", guest, "exploit", "--family", "intrusion"), *options, "-o", "json"
    )
    (receipt,) = json.loads(told)["reports"]
    return receipt


@pytest.fixture
def leased(host, trio):
    """The address of web-1's interface, to which the network has leased an IP address."""
    mac = trio[0].spec.mac(0)
    lease = ("env", "DNSMASQ_INTERFACE=virbr0", "DNSMASQ_LEASE_EXPIRES=4000000000", HELPER)
    host.run(*lease, "add", mac, LEASE, trio[0].name)
    yield mac
    host.run(*lease, "del", mac, LEASE, trio[0].name)


def test_report_on_a_real_guest_narrows_it(host, trio, policy, leased):
    """Reported by the address that it leases, a guest's disk is throttled within its next tick;
    withdrawn, the finding ends; nobody else is touched."""
    name, other = trio[0].name, trio[1].name
    with Daemon(host, policy + SOURCES, decisions=CALLERS) as daemon:
        for each in (name, other):
            daemon.wait_guest(each, settled, "is trusted", seconds=60)
        receipt = said(daemon, f"ip:{LEASE}", "--severity", "critical")
        assert (receipt["name"], receipt["counts"]) == (name, "new")
        answered = tick(daemon)
        seen = ticks(daemon, [name], lambda now: done(now, "disk-throttle"))[name]
        assert acted(seen, "disk-throttle") <= answered + 2  # one may have been under way
        (found,) = seen[-1]["findings"]
        assert found["source"] == "sensor"
        assert "sensor:exploit" in daemon.trustctl("explain", name)
        assert not daemon.guest(other)["restricted"]
        assert said(daemon, f"mac:{leased}", "--state", "resolved")["counts"] == "resolved"
        daemon.wait_guest(name, lambda now: not now["findings"], "has nothing open")
