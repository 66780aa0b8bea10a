"""What the daemon says of its means to enforce, and of whoever interferes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import libvirt
import pytest

from tests.e2e.line import TOO_MUCH, reload, unforgiving
from tests.lab.daemon import Daemon
from tests.lab.state import live_state
from tests.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

LIMITS = "limits: {demotions: {max: 10, percent: 100, per: 1m}"
LISTENS = "00010000"
"""Of the door itself, as the kernel's table of sockets has it; others are who came through it."""


def calm(guest):
    return guest["freshness"] == "fresh" and guest["trust"] > 0.9


def throttle(guest):
    """The action on the guest's disk; nothing where there is none."""
    return next((each for each in guest["actions"] if each["lever"] == "disk-throttle"), {})


def writers(host):
    """Connections to libvirt that may change guests."""
    table = host.run("cat", "/proc/net/unix").stdout
    ours = [line.split() for line in table.splitlines() if line.endswith("/libvirt-sock")]
    return sum(flags != LISTENS for _, _, _, flags, *_ in ours)


def write_limit(guest):
    with guest.domain() as domain:
        return domain.blockIoTune("vda", libvirt.VIR_DOMAIN_AFFECT_LIVE)["write_bytes_sec"]


def lift(guest):
    """What an administrator may do behind trustd's back."""
    with guest.domain() as domain:
        everything = {"write_bytes_sec": 0, "write_iops_sec": 0}
        domain.setBlockIoTune("vda", everything, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def test_observing_makes_no_difference_and_opens_no_door_to_act(host, trio, observing):
    """A guest that would be narrowed is as it was, and no connection is made that could change it:
    so the levers are not tried either, and said to be unknown."""
    web = trio[0]
    before = live_state(web)
    wait_until(lambda: not writers(host), "libvirt has seen us hang up", seconds=60)
    with Daemon(host, observing) as daemon:
        daemon.wait_guest(web.name, calm, "is trusted", seconds=60)
        web.write(TOO_MUCH)
        daemon.wait_guest(
            web.name,
            lambda now: throttle(now).get("status") == "would-apply",
            "would be narrowed",
            seconds=60,
        )
        assert not writers(host)
        assert {each["available"] for each in daemon.get("/v1/status")["levers"]} == {None}
        assert "trustd_lever_available{" not in daemon.get_bytes("/metrics").decode()
        assert "levers.0.available\t-\n" in daemon.trustctl("status", check=False)
        assert live_state(web) == before
        daemon.stop()
    assert live_state(web) == before


def test_a_lever_that_the_policy_needs_and_the_host_lacks_is_said_before_it_is_needed(
    host, trio, policy, shared
):
    """The levers are tried at the start; one that a band asks for and that cannot be pulled makes
    the daemon not ready, with the reason, while every guest is still trusted."""
    gated = policy.replace("enforce:\n", "enforce:\n  guarded: [{do: disk-gate}]\n", 1)
    assert gated != policy
    # what the lab itself needs to get inside, and nothing else
    programs = Path(tempfile.mkdtemp(dir=shared))
    for name in ("nsenter", "setpriv"):
        (programs / name).symlink_to(shutil.which(name))
    with Daemon(host, gated) as daemon:
        daemon.stop()
        daemon.start(ready=False, env={"PATH": str(programs)})
        daemon.wait_guest(trio[0].name, calm, "is trusted", seconds=60)

        def known():
            return any(each["available"] for each in daemon.get("/v1/status")["levers"])

        daemon.wait(known, "the levers are known")
        levers = {each["name"]: each for each in daemon.get("/v1/status")["levers"]}
        assert levers["nic-link"]["available"]
        assert levers["disk-gate"]["available"] is False
        check = daemon.get("/readyz")["checks"]["enforcement"]
        assert not check["ok"]
        assert f"disk-gate: {levers['disk-gate']['why']}" in check["reason"]
        metrics = daemon.get_bytes("/metrics").decode()
        assert 'trustd_lever_available{lever="disk-gate"} 0.0' in metrics
        assert 'trustd_lever_available{lever="nic-link"} 1.0' in metrics
        assert "trustd_levers_lacking 1.0" in metrics
        assert levers["disk-gate"]["why"] in daemon.trustctl("status", check=False)
        daemon.stop()


def test_who_lifts_a_limit_is_named_and_answered_as_the_policy_says(host, trio, policy):
    """An administrator lifts a limit: it is put in force again, and said to have been changed;
    under a policy that yields it stays lifted, and is shown as yielded."""
    web = trio[0]
    lasting = unforgiving(policy)
    yielding = lasting.replace(LIMITS, LIMITS + ", foreign: yield")
    assert yielding != lasting
    with Daemon(host, policy) as daemon:
        daemon.wait_guest(web.name, calm, "is trusted", seconds=60)
        reload(daemon, lasting)
        before = live_state(web)
        web.write(TOO_MUCH)
        daemon.wait_guest(
            web.name, lambda now: throttle(now).get("status") == "held", "is narrowed"
        )
        limit = write_limit(web)
        assert limit > 0
        lift(web)
        now = daemon.wait_guest(
            web.name, lambda now: throttle(now).get("foreign"), "the change is told"
        )
        assert f"write_bytes_sec {limit} -> none" in throttle(now)["foreign"]
        wait_until(lambda: write_limit(web) == limit, "it is in force again", seconds=60)
        assert "changed_by_somebody_else" in daemon.log(400)
        assert 'trustd_foreign_changes_total{action="disk-throttle",answer="reassert"}' in (
            daemon.get_bytes("/metrics").decode()
        )

        reload(daemon, yielding)
        lift(web)
        daemon.wait_guest(
            web.name, lambda now: throttle(now).get("status") == "yielded", "it is yielded"
        )
        tick = daemon.get("/v1/status")["tick"]
        daemon.wait(lambda: daemon.get("/v1/status")["tick"] > tick + 3, "some ticks passed")
        assert write_limit(web) == 0
        assert throttle(daemon.guest(web.name))["status"] == "yielded"
        daemon.stop()
    assert live_state(web) == before
