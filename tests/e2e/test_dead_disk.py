"""The whole daemon while its repository's disk takes no writes any more."""

from __future__ import annotations

import resource

import pytest

from tests.lab.daemon import LOG, Daemon
from tests.lab.state import live_state

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

A_PAGE = 4096
"""No transaction fits into less: a write-ahead log has a page and its header at least."""


def break_disk(host, daemon):
    """From now on every write of the repository's files ends in an error of the kernel's."""
    host.path(LOG).write_text("", "utf-8")  # so that lines of the log still fit below the limit
    pid = host.outside_pid(int(host.run("pgrep", "-f", "trustd run").stdout.split()[0]))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (A_PAGE, resource.RLIM_INFINITY))
    daemon.wait(
        lambda: "disk I/O error" in daemon.get("/readyz")["checks"]["store"]["reason"],
        "the repository takes no writes",
    )


def test_a_stop_with_a_dead_disk_gives_back_all_the_same(host, trio, policy):
    """With on_stop: restore a guest has everything back, since how it was is on the disk already;
    the daemon ends as ever and says what was not stored. The next one has the order in force, a
    sound trail, and gives back what was there before the first one came."""
    web = trio[0]
    before = live_state(web)
    words = ("--band", "isolated", "--for", "2h", "--reason", "a dead disk")
    with Daemon(host, policy, on_stop="restore") as daemon:
        daemon.trustctl("override", web.name, *words)
        daemon.wait_guest(web.name, narrowed, "is narrowed", seconds=60)
        assert live_state(web) != before
        break_disk(host, daemon)
        host.path(LOG).write_text("", "utf-8")  # what was said meanwhile took of its room
        daemon.stop()
        assert live_state(web) == before
        said = daemon.log()
        assert "not everything was stored" in said
        assert "guests stay narrowed" not in said

        daemon.start()
        assert daemon.get("/v1/status")["orders"]["overrides"] == 1
        daemon.wait_guest(web.name, narrowed, "is narrowed again")
        daemon.trustctl("audit", "verify")
        daemon.trustctl("override", web.name, "--clear", "--reason", "done")
        daemon.stop()
    assert live_state(web) == before


def narrowed(guest):
    """Whether what it may write is taken from its disk."""
    actions = {each["lever"]: each["status"] for each in guest["actions"]}
    return actions.get("disk-throttle") in {"applied", "held"}
