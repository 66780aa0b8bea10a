"""The disk gate through the whole daemon: trustctl, policy, denial, kill -9, and back."""

from __future__ import annotations

import libvirt
import pytest

from tests.e2e.line import (
    TOO_MUCH,
    acted,
    done,
    first_excess,
    reload,
    restored,
    settled,
    ticks,
    unforgiving,
)
from tests.lab.daemon import Daemon
from tests.lab.errors import LabError
from tests.lab.spec import GuestSpec

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE


def definition(guest):
    with guest.domain() as domain:
        return domain.XMLDesc(INACTIVE)


def off(guest):
    return guest["state"] == "shutoff"


def fields(daemon):
    """What ``trustctl gate list`` says of the only gate."""
    (line,) = daemon.trustctl("gate", "list").splitlines()
    return line.split("\t")


def gated(daemon, guest):
    """Put the guest's disk behind a gate, with all that may go wrong; the definition before."""
    daemon.wait_guest("gated", lambda now: now["state"] == "running", "runs")
    with pytest.raises(LabError, match="shut it down first"):
        daemon.trustctl("gate", "add", "gated", "vda")
    guest.destroy()
    daemon.wait_guest("gated", off, "is off")
    before = definition(guest)
    shown = daemon.trustctl("gate", "add", "gated", "vda", "--dry-run")
    assert 'protocol="nbd"' in shown
    assert definition(guest) == before
    assert daemon.trustctl("gate", "list") == ""
    daemon.trustctl("gate", "add", "gated", "vda")
    assert definition(guest) != before
    return before


def test_lost_write_fails_at_once_outlives_a_kill_and_is_given_back(host, policy):
    """A guest behind a gate whose write is lost gets errors within two ticks, exactly and not
    weaker, and reads on; a kill -9 of trustd opens nothing; all of it is given back, the
    definition to the byte."""
    spec = GuestSpec("gated", labels={"app": "web"})
    with host.guest(spec) as guest, Daemon(host, policy) as daemon:
        before = gated(daemon, guest)
        guest.start()
        guest.wait_ready(seconds=120)

        daemon.wait_guest("gated", settled, "is trusted", seconds=90)
        volumes = [each for each in daemon.guest("gated")["access"] if each["type"] == "volume"]
        assert [each["id"] for each in volumes] == [spec.disk_path(0)]
        assert fields(daemon)[4:] == ["used", "serving", "-"]
        assert guest.attempt("write") == ""
        reload(daemon, unforgiving(policy))
        guest.write(TOO_MUCH)
        seen = ticks(daemon, ["gated"], lambda now: done(now, "disk-gate"))["gated"]
        assert acted(seen, "disk-gate") <= first_excess(seen) + 2
        (action,) = seen[-1]["actions"]
        assert action["lever"] == "disk-gate"
        assert not action["weaker"]
        guest.quiet()
        assert guest.attempt("write") == "EIO"
        assert guest.attempt("read") == ""
        assert fields(daemon)[4:] == ["used", "serving", "write"]

        daemon.kill()
        assert guest.attempt("write") == "EIO"
        assert guest.attempt("read") == ""
        daemon.start()
        assert daemon.guest("gated")["band"] != "trusted"
        assert guest.attempt("write") == "EIO"
        reload(daemon, policy)
        daemon.wait_guest("gated", restored, "is restored", seconds=180)
        assert guest.attempt("write") == ""
        assert fields(daemon)[4:] == ["used", "serving", "-"]

        guest.destroy()
        daemon.wait_guest("gated", off, "is off again")
        daemon.trustctl("gate", "remove", "gated", "vda")
        assert definition(guest) == before
        assert daemon.trustctl("gate", "list") == ""
        kinds = [each["kind"] for each in daemon.get("/v1/audit?limit=1000")["records"]]
        assert kinds.count("gate") == 2
        daemon.stop()
