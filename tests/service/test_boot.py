"""Guests that are to run from boot on, where no guest starts unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.blocks import blocks
from tests.service.host import UNIT, edit, wait_ready, wait_status

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

INSTALL = Path(__file__).parents[2] / "docs/install.md"
GUESTS = "guests.service"
HOOK = "/etc/libvirt/hooks/qemu.d/trustd"
CONF = "/etc/trustd/hook.conf"


@pytest.fixture
def closed(enforcing):
    """The host, with the hook closed, the unit of the documents, and its guest switched off.

    Afterwards it is as it was: trustd has met the hypervisor again, and the guest runs.
    """
    (unit,) = [each.text for each in blocks(INSTALL) if GUESTS in each.text]
    enforcing.path(f"/etc/systemd/system/{GUESTS}").write_text(unit, "utf-8")
    edit(enforcing, CONF, "unavailable = open", "unavailable = closed")
    edit(enforcing, CONF, "timeout = 2", "timeout = 20")  # for a busy machine
    enforcing.run("mkdir", "-p", str(Path(HOOK).parent))
    enforcing.run("ln", "-s", "/usr/lib/trustd/trustd-admission", HOOK)
    enforcing.guests[0].destroy()
    # it looks for hooks when it starts
    enforcing.systemctl("daemon-reload")
    enforcing.systemctl("restart", "libvirtd.service")
    yield enforcing
    enforcing.run("rm", HOOK, f"/etc/systemd/system/{GUESTS}")
    edit(enforcing, CONF, "unavailable = closed", "unavailable = open")
    edit(enforcing, CONF, "timeout = 20", "timeout = 2")
    enforcing.systemctl("daemon-reload")
    enforcing.systemctl("restart", "libvirtd.service")
    enforcing.systemctl("start", "trustd.socket", UNIT)
    if enforcing.run("virsh", "domstate", "web-1").stdout.strip() != "running":
        enforcing.guests[0].start()
    wait_ready(enforcing)


def test_a_unit_starts_the_guests_once_trustd_has_looked(closed):
    """While trustd is down the hook lets no guest start. The documents' unit has trustd started,
    waits for its first tick, and then starts its guests; one that is not there fails nothing."""
    closed.systemctl("stop", "trustd.socket", UNIT)
    refused = closed.run("virsh", "start", "web-1", check=False)
    assert refused.returncode != 0
    assert "trustd" in refused.stderr
    closed.systemctl("start", GUESTS)
    assert closed.property(GUESTS, "Result") == "success"
    assert closed.property(UNIT, "ActiveState") == "active"
    assert closed.run("virsh", "domstate", "web-1").stdout.strip() == "running"
    wait_ready(closed)
    wait_status(closed, "^1 guests")
