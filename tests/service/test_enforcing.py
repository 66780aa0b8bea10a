"""What the service may do to guests once its administrator lets it, from within its sandbox."""

from __future__ import annotations

import pytest

from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from tests.service.host import UNIT, trustctl, wait_ready, wait_status

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def test_every_lever_and_collector_is_there(enforcing):
    """With the drop-in no collector fails, and the levers that this host has can be pulled."""
    wait_until(
        lambda: all(each["available"] is not None for each in levers(enforcing).values()),
        "every lever is known",
        seconds=120,
    )
    wait_ready(enforcing)
    found = levers(enforcing)
    lacking = {name: each["why"] for name, each in found.items() if not each["available"]}
    # needs the kernel's traffic shaping, which not every kernel has
    assert lacking.keys() <= {"nic-bandwidth"}, lacking
    plugins = trustctl(enforcing, "status")["plugins"]
    assert {name: each["error"] for name, each in plugins.items() if each["error"]} == {}
    about = enforcing.path(f"/proc/{enforcing.property(UNIT, 'MainPID')}/status")
    assert "CapEff:\t0000000000080004" in about.read_text("utf-8")


def levers(host):
    return {each["name"]: each for each in trustctl(host, "status")["levers"]}


def test_gate_is_a_unit(enforcing):
    """A gated disk is served by its unit, which comes back after kill -9; removal is refused."""
    with enforcing.guest(GuestSpec("gated", nics=0)) as guest:
        guest.destroy()
        added = trustctl(enforcing, "gate", "add", "gated", "vda")
        assert added["done"]
        unit = added["gate"]["unit"]
        assert unit == f"trustd-gate@{guest.uuid}-vda.service"
        assert enforcing.property(unit, "ActiveState") == "active"
        assert enforcing.systemctl("is-enabled", unit).stdout == "enabled\n"

        server = enforcing.property(unit, "MainPID")
        enforcing.run("kill", "-KILL", server)
        wait_until(
            lambda: enforcing.property(unit, "MainPID") not in {"0", server},
            "another server runs",
            seconds=60,
        )
        wait_until(
            lambda: trustctl(enforcing, "gate", "list")["gates"][0]["serving"],
            "it serves",
            seconds=60,
        )
        guest.start()
        guest.wait_ready()
        guest.write(1e6)
        wait_until(lambda: guest.rates().written > 1e5, "the guest writes", seconds=60)
        guest.destroy()

        refused = enforcing.run("dpkg", "--remove", "trustd", check=False)
        assert refused.returncode != 0
        assert "trustctl gate remove" in refused.stderr
        assert enforcing.property(UNIT, "ActiveState") == "active"
        # also where its directory is elsewhere, which a setting may say
        enforcing.run("mv", "/var/lib/trustd/gates", "/var/lib/trustd/elsewhere")
        refused = enforcing.run("dpkg", "--remove", "trustd", check=False)
        enforcing.run("mv", "/var/lib/trustd/elsewhere", "/var/lib/trustd/gates")
        assert refused.returncode != 0
        assert "trustctl gate remove" in refused.stderr
        # it was started anew while they were away
        enforcing.systemctl("restart", UNIT)
        wait_ready(enforcing)

        assert trustctl(enforcing, "gate", "remove", "gated", "vda")["done"]
        wait_until(
            lambda: enforcing.property(unit, "ActiveState") == "inactive",
            "its server has ended",
            seconds=60,
        )
    wait_status(enforcing, "^1 guests")
